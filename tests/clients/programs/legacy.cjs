// The client that came before the @azure packages: API version 2018-03-28, callbacks, XML and
// Atom of its own. The connection string and the part to run are the arguments; the exit code
// is 0 when all of it held.

const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");
const storage = require("azure-storage");

const connectionString = process.argv[2];

// Every method takes a callback last; what it gives is [result, response] here.
function promised(service) {
  return new Proxy(service, {
    get: (target, name) => (...given) =>
      new Promise((resolve, reject) =>
        target[name](...given, (error, result) => (error ? reject(error) : resolve(result)))),
  });
}

async function blobs() {
  const service = promised(storage.createBlobService(connectionString));
  const large = randomBytes(9 * 1024 * 1024);
  const name = "ünï/a b+%20 🐟";
  await service.createContainerIfNotExists("box", { metadata: { kind: "proof" } });
  assert.equal((await service.getContainerProperties("box")).metadata.kind, "proof");
  await service.createBlockBlobFromText("box", name, "text 🐟", { metadata: { a: "b" } });
  assert.equal(await service.getBlobToText("box", name), "text 🐟");
  const stream = Readable.from([large]);
  await service.createBlockBlobFromStream("box", "large", stream, large.length, { blockSize: 1 << 20 });
  const { entries } = await service.listBlobsSegmented("box", null, { include: "metadata" });
  assert.deepEqual(entries.map((blob) => blob.name), ["large", name]);
  assert.deepEqual(entries[1].metadata, { a: "b" });
  const { entries: folders } = await service.listBlobDirectoriesSegmentedWithPrefix("box", null, null);
  assert.deepEqual(folders.map((folder) => folder.name), ["ünï/"]);
  assert.equal(Number((await service.getBlobProperties("box", "large")).contentLength), large.length);
  const snapshot = await service.createBlobSnapshot("box", name);
  const lease = await service.acquireLease("box", name, { leaseDuration: 15 });
  await assert.rejects(service.deleteBlob("box", name), { statusCode: 412 });
  await service.releaseLease("box", name, lease.id);
  await service.deleteBlob("box", name, { deleteSnapshots: "include" });
  assert.ok(snapshot);
  await service.createAppendBlobFromText("box", "log", "one ");
  await service.appendFromText("box", "log", "two");
  assert.equal(await service.getBlobToText("box", "log"), "one two");
  await service.deleteContainer("box");
}

async function queues() {
  const service = promised(storage.createQueueService(connectionString));
  await service.createQueueIfNotExists("orders", { metadata: { kind: "proof" } });
  const { entries } = await service.listQueuesSegmented(null, { include: "metadata" });
  assert.deepEqual(entries.map((queue) => [queue.name, queue.metadata.kind]), [["orders", "proof"]]);
  await service.createMessage("orders", "<é> & 🐟");
  assert.equal((await service.peekMessages("orders"))[0].messageText, "<é> & 🐟");
  const [message] = await service.getMessages("orders", { visibilityTimeout: 60 });
  const { messageId, popReceipt } = message;
  const updated = await service.updateMessage("orders", messageId, popReceipt, 0, { messageText: "new" });
  assert.ok(updated.popReceipt);
  const [again] = await service.getMessages("orders");
  assert.equal(again.messageText, "new");
  await service.deleteMessage("orders", again.messageId, again.popReceipt);
  assert.equal((await service.getQueueMetadata("orders")).approximateMessageCount, 0);
  await service.deleteQueue("orders");
}

async function tables() {
  const service = promised(storage.createTableService(connectionString));
  const make = storage.TableUtilities.entityGenerator;
  const entity = {
    PartitionKey: make.String("p 'é'"),
    RowKey: make.String("🐟"),
    big: make.Int64("9007199254740993"),
    when: make.DateTime(new Date("2024-02-29T12:34:56.789Z")),
    real: make.Double(0.5),
    yes: make.Boolean(true),
    bytes: make.Binary(Buffer.from([0, 255])),
  };
  await service.createTableIfNotExists("things");
  await service.insertEntity("things", entity);
  await assert.rejects(service.insertEntity("things", entity), { code: "EntityAlreadyExists" });
  const found = await service.retrieveEntity("things", "p 'é'", "🐟");
  assert.equal(found.big._, "9007199254740993");
  assert.equal(found.when._.getTime(), entity.when._.getTime());
  assert.deepEqual(found.bytes._, Buffer.from([0, 255]));
  await service.mergeEntity("things", { ...entity, extra: make.String("more") });
  await service.insertOrReplaceEntity("things", { ...entity, RowKey: make.String("other") });
  const batch = new storage.TableBatch();
  for (let n = 0; n < 100; n += 1) {
    batch.insertEntity({ PartitionKey: make.String("batch"), RowKey: make.String(String(n)) });
  }
  assert.equal((await service.executeBatch("things", batch)).length, 100);
  const query = new storage.TableQuery().top(30).where("PartitionKey eq ?", "batch").select("RowKey");
  let read = [];
  let page = { continuationToken: null };
  do {
    page = await service.queryEntities("things", query, page.continuationToken);
    read = read.concat(page.entries);
  } while (page.continuationToken);
  assert.equal(read.length, 100);
  await service.deleteEntity("things", entity);
  await assert.rejects(service.retrieveEntity("things", "p 'é'", "🐟"), { code: "ResourceNotFound" });
  const { entries } = await service.listTablesSegmented(null);
  assert.deepEqual(entries, ["things"]);
  await service.deleteTable("things");
}

const parts = { blobs, queues, tables };
parts[process.argv[3]]().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
