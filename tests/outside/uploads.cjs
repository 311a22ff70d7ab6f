// Hooks of Dredd: the files of the operations that upload one, which no example of a document can hold.

const fs = require("fs");
const hooks = require("hooks");

const FIELDS = require("./uploads.json");

hooks.beforeEach((transaction, done) => {
  const path = Object.keys(FIELDS).find((one) => transaction.fullPath.endsWith(one));
  if (path && transaction.request.method === "POST") {
    const [field, name] = FIELDS[path];
    const head = `--sarkmock\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n\r\n`;
    const body = Buffer.concat([Buffer.from(head), fs.readFileSync(name), Buffer.from("\r\n--sarkmock--\r\n")]);
    transaction.request.headers["Content-Type"] = "multipart/form-data; boundary=sarkmock";
    transaction.request.body = body.toString("base64");
    transaction.request.bodyEncoding = "base64";
  }
  done();
});
