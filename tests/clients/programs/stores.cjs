// What others built on the JavaScript SDK: key-value storage (unstorage), and the store in which
// readers of Event Hubs agree on who reads what. The connection string and the part to run are
// the arguments; the exit code is 0 when all of it held.

const assert = require("node:assert/strict");
const { BlobServiceClient } = require("@azure/storage-blob");

const connectionString = process.argv[2];

async function container() {
  const { containerClient } = await BlobServiceClient.fromConnectionString(connectionString)
    .createContainer("box");
  return containerClient;
}

async function unstorage() {
  const { createStorage } = require("unstorage");
  const driver = require("unstorage/drivers/azure-storage-blob");
  await container();
  const storage = createStorage({
    driver: driver({ connectionString, containerName: "box", accountName: "unused" }),
  });
  await storage.setItem("users:é", { name: "日本 🐟" });
  await storage.setItem("plain", "text");
  await storage.setItemRaw("raw", Buffer.from([0, 1, 255]));

  assert.deepEqual((await storage.getKeys()).sort(), ["plain", "raw", "users:é"]);
  assert.deepEqual(await storage.getKeys("users"), ["users:é"]);
  assert.deepEqual(await storage.getItem("users:é"), { name: "日本 🐟" });
  assert.deepEqual([...(await storage.getItemRaw("raw"))], [0, 1, 255]);
  assert.ok((await storage.getMeta("plain")).mtime instanceof Date);
  assert.equal(await storage.getItem("missing"), null);
  assert.equal(await storage.hasItem("missing"), false);
  await storage.removeItem("plain");
  assert.deepEqual((await storage.getKeys()).sort(), ["raw", "users:é"]);
  await storage.clear();
  assert.deepEqual(await storage.getKeys(), []);
}

async function checkpoints() {
  const { BlobCheckpointStore } = require("@azure/eventhubs-checkpointstore-blob");
  const store = new BlobCheckpointStore(await container());
  const hub = ["name.servicebus.windows.net", "hub", "$Default"];
  const of = (partitionId) => ({
    fullyQualifiedNamespace: hub[0],
    eventHubName: hub[1],
    consumerGroup: hub[2],
    partitionId,
  });
  const claim = { ...of("0"), ownerId: "first" };
  const [owned] = await store.claimOwnership([claim]);

  assert.equal((await store.claimOwnership([{ ...claim, ownerId: "late", etag: "0x1" }])).length, 0);
  const first = owned.etag; // the client writes into what it is given
  const [again] = await store.claimOwnership([owned]);
  assert.notEqual(again.etag, first);
  const listed = await store.listOwnership(...hub);
  assert.deepEqual(listed.map((each) => [each.partitionId, each.ownerId]), [["0", "first"]]);
  await store.updateCheckpoint({ ...of("0"), sequenceNumber: 5, offset: "7" });
  await store.updateCheckpoint({ ...of("1"), sequenceNumber: 6, offset: "8" });
  const found = await store.listCheckpoints(...hub);
  assert.deepEqual(found.map((each) => [each.partitionId, each.sequenceNumber, each.offset]), [
    ["0", 5, "7"],
    ["1", 6, "8"],
  ]);
}

({ unstorage, checkpoints })[process.argv[3]]().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
