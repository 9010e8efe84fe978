// Clients of queues and of tables that share no code with Azure's: they sign, and read XML and
// batches, by themselves. The connection string and the part to run are the arguments; the exit
// code is 0 when all of it held.

const assert = require("node:assert/strict");
const { promisify } = require("node:util");

const settings = Object.fromEntries(
  process.argv[2].split(";").filter(Boolean).map((part) => {
    const end = part.indexOf("=");
    return [part.slice(0, end), part.slice(end + 1)];
  }),
);
const account = (service) => ({
  accountUrl: `${settings[service]}/`,
  accountName: settings.AccountName,
  accountKey: settings.AccountKey,
  retry: false,
});

// Every method takes a callback last.
const promised = (service) =>
  new Proxy(service, { get: (target, name) => promisify(target[name].bind(target)) });

async function queues() {
  const service = promised(require("azure-queue-node").setDefaultClient(account("QueueEndpoint")));
  assert.equal(await service.createQueue("orders"), true);
  assert.equal(await service.createQueue("orders"), false);
  const messages = [{ name: "<é & 日本>" }, { long: "x".repeat(40_000) }];
  for (const message of messages) await service.putMessage("orders", message);
  assert.equal(await service.countMessages("orders"), 2);
  const peeked = await service.peekMessages("orders", { maxMessages: 32 });
  assert.deepEqual(peeked.map((message) => message.messageText), messages);

  const [first, second] = await service.getMessages("orders", { maxMessages: 2 });
  await service.updateMessage("orders", first.messageId, first.popReceipt, 0, { changed: true });
  await service.deleteMessage("orders", second.messageId, second.popReceipt);
  const [again] = await service.getMessages("orders");
  assert.deepEqual([again.messageText, again.dequeueCount], [{ changed: true }, 2]);

  assert.deepEqual(await service.listQueues({ prefix: "or" }), ["orders"]);
  await service.clearMessages("orders");
  await service.deleteQueue("orders");
  await assert.rejects(service.deleteQueue("orders"), { code: "QueueNotFound" });
}

async function tables() {
  const library = require("azure-table-node");
  const client = library.setDefaultClient(account("TableEndpoint"));
  const service = promised(client);
  await service.createTable("things");
  assert.deepEqual(await service.listTables(), ["things"]);
  const keys = { PartitionKey: "p'1 é", RowKey: "r%20+&" };
  const entity = { ...keys, whole: 1, part: 1.5, yes: true, when: new Date(0), bytes: Buffer.from("b") };
  await service.insertEntity("things", entity);
  const { Timestamp, __etag, ...found } = await service.getEntity("things", ...Object.values(keys));
  assert.deepEqual(found, entity);
  await service.mergeEntity("things", { ...keys, more: 1, __etag });
  await assert.rejects(service.mergeEntity("things", { ...keys, more: 2, __etag }), {
    code: "UpdateConditionNotSatisfied",
  });

  const batched = (rows) => {
    const batch = client.startBatch();
    for (const row of rows) batch.insertEntity("things", { PartitionKey: "q", RowKey: row, row });
    return promisify(batch.commit.bind(batch))();
  };
  assert.equal((await batched(["1", "2 é", "3"])).length, 3);
  await assert.rejects(batched(["4", "1"]), { code: "EntityAlreadyExists" });
  const query = library.Query.create("PartitionKey", "==", "q").and("row", ">", "1");
  assert.deepEqual((await service.queryEntities("things", { query })).map((each) => each.row), ["2 é", "3"]);
  assert.equal((await service.queryEntities("things", { limitTo: 2 })).length, 2);
  await service.deleteEntity("things", { PartitionKey: "q", RowKey: "1" }, { force: true });
  await service.deleteTable("things");
  assert.deepEqual(await service.listTables(), []);
}

({ queues, tables })[process.argv[3]]().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
