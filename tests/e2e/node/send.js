// Sends one message by Nodemailer; everything comes from the environment.
const fs = require('fs');
const nodemailer = require('nodemailer');
const e = process.env;

// An address: Nodemailer looks no name up on a machine whose only interface is loopback.
const transport = nodemailer.createTransport({
  host: '127.0.0.1', port: Number(e.PORT), secure: false, requireTLS: true,
  auth: {user: e.KEY_ID, pass: e.KEY}, tls: {ca: fs.readFileSync(e.CA)},
});
transport.sendMail({
  from: {name: 'Jörg Absender', address: 'sender@example.org'},
  to: 'r@example.net', cc: 'copy@example.net', bcc: 'blind@example.net',
  subject: `Grüße aus Köln 漢字 ${e.TOKEN}`,
  headers: {'X-Token': e.TOKEN},
  text: '.leading dot\n..two\nÄpfel\n',
  html: '<p><b>Äpfel</b></p>',
  attachments: [{filename: 'Übersicht.bin', path: e.ATTACHMENT, contentType: 'application/octet-stream'}],
}).then((info) => {
  console.log(info.response);
  if (!/queued as msg_/.test(info.response)) process.exit(1);
}).catch((error) => { console.error(error); process.exit(1); });
