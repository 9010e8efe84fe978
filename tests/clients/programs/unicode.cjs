// Writes or reads what a test is about, through the official JavaScript clients. Arguments: the
// connection string, "blobs" or "queues", "write" or "read", and the container's or queue's name.
// What is written comes as JSON on standard input, what was read goes as JSON to standard output.

const { readFileSync } = require("node:fs");
const { BlobServiceClient } = require("@azure/storage-blob");
const { QueueServiceClient } = require("@azure/storage-queue");

const [connectionString, kind, verb, name] = process.argv.slice(2);
const containers = BlobServiceClient.fromConnectionString(connectionString);
const queues = QueueServiceClient.fromConnectionString(connectionString);

const verbs = {
  blobs: {
    async write(blobs) {
      const container = containers.getContainerClient(name);
      await container.create();
      for (const { name, content, metadata } of blobs) {
        const bytes = Buffer.from(content, "base64");
        await container.getBlockBlobClient(name).upload(bytes, bytes.length, { metadata });
      }
    },
    async read() {
      const container = containers.getContainerClient(name);
      const found = [];
      for await (const { name, metadata } of container.listBlobsFlat({ includeMetadata: true })) {
        const blob = container.getBlobClient(name);
        const content = (await blob.downloadToBuffer()).toString("base64");
        const { metadata: shown } = await blob.getProperties();
        found.push({ name, content, metadata: shown, listed: metadata ?? {} });
      }
      return found;
    },
  },
  queues: {
    async write({ texts, metadata }) {
      const queue = queues.getQueueClient(name);
      await queue.create({ metadata });
      for (const text of texts) await queue.sendMessage(text);
    },
    async read() {
      const queue = queues.getQueueClient(name);
      const { metadata } = await queue.getProperties();
      const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
      return { texts: peekedMessageItems.map((item) => item.messageText), metadata };
    },
  },
};

const given = verb === "write" ? JSON.parse(readFileSync(0, "utf8")) : undefined;
verbs[kind][verb](given).then(
  (found) => process.stdout.write(JSON.stringify(found ?? null)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
