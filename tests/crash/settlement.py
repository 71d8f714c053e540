"""What was acknowledged, held against what has arrived and what is queued."""

import collections
import re

from flow import AT_ONCE, LATER, AdminConnection
from harness import Delivered

IN_DOUBT = re.compile(r"in doubt message=(msg_\w+) recipient=\"?([^\s\"]+)")
RECEIVED_ID = re.compile(rb"\r\n\tby \S+ with \S+ id (msg_\w+)")


class Arrivals:
    """What the sinks have taken, read as it comes."""

    def __init__(self, *stores):
        self.stores = {store: 0 for store in stores}
        self.count = collections.Counter()  # by (message id, recipient)
        self.messages = {}                  # a Delivered by message id

    def read(self):
        for store, last in self.stores.items():
            while (store / f"{last + 1:06}.json").exists():
                last += 1
                delivered = Delivered(store / f"{last:06}.eml")
                message_id = RECEIVED_ID.search(delivered.content)[1].decode()
                self.messages[message_id] = delivered
                self.count.update((message_id, r) for r in delivered.recipients)
            self.stores[store] = last


class Settlement:
    def __init__(self, relay, ledger, arrivals):
        self.relay, self.ledger, self.arrivals = relay, ledger, arrivals
        self.owed = set()                          # (message id, recipient) acknowledged and not seen to arrive
        self.said_doubtful = collections.Counter()  # (message id, recipient): possible repeats, as starts have said
        self.log_read = 0

    def queued_rows(self):
        admin, rows, after = AdminConnection(self.relay.dir / "relay.sock"), [], ""
        while True:
            status, page = admin.ask("GET", f"/admin/v1/queue?limit=500{after}")
            assert status == 200, page
            rows += page["data"]
            if not page["next"]:
                admin.close()
                return rows
            after = f"&after={page['next']}"

    def read_log(self):
        with open(self.relay.process.log, "rb") as log:
            log.seek(self.log_read)
            text = log.read()
        whole = text[:text.rfind(b"\n") + 1]
        self.log_read += len(whole)
        self.said_doubtful.update(IN_DOUBT.findall(whole.decode(errors="replace")))

    def lost(self):
        """Of a running relay: what was acknowledged, is not queued and has not arrived."""
        for message_id in self.ledger.take_fresh():
            self.owed |= {(message_id, r) for r in self.ledger.acknowledged[message_id].recipients}
        queued = {(row["message"], row["address"]) for row in self.queued_rows()}  # first: what leaves the queue meanwhile has arrived
        self.arrivals.read()
        self.owed = {owed for owed in self.owed if owed not in self.arrivals.count}
        return {(i, r) for i, r in self.owed - queued if i not in self.ledger.doubtful}

    def cancelled(self):
        """Recipients that the relay has as cancelled."""
        admin, found = AdminConnection(self.relay.dir / "relay.sock"), set()
        for message_id in self.ledger.doubtful:
            status, message = admin.ask("GET", f"/admin/v1/messages/{message_id}")
            assert status == 200, message
            found |= {(message_id, r["address"]) for r in message["recipients"] if r["status"] == "cancelled"}
        admin.close()
        return found

    def what_became_of(self, lost):
        """For the reader of a failed test."""
        return "\n".join(self.relay.ctl("message", "show", i, check=False).stdout for i in sorted({i for i, _ in lost}))

    def check_end(self):
        """When the queue is empty. How many recipients came twice."""
        lost = self.lost()
        assert not lost, f"acknowledged and lost: {lost}"
        self.read_log()
        count = self.arrivals.count
        delivered = {what for what in self.cancelled() if count[what] > self.said_doubtful[what]}
        assert not delivered, f"delivered although cancelled: {delivered}"
        unforeseen = {what: n for what, n in count.items() if n > 1 + self.said_doubtful[what]}
        assert not unforeseen, f"repeated, and no start has said so: {unforeseen}"
        for message_id, delivered in self.arrivals.messages.items():
            mail = self.ledger.sent[re.search(rb"\r\nSubject: (\w+)", delivered.content)[1].decode()]
            assert delivered.content.endswith(mail.text.encode()), f"{message_id} is not as it was sent"
            assert self.ledger.acknowledged.get(message_id, mail) is mail
            came = {r for r in (*AT_ONCE, LATER) if (message_id, r) in count}
            wanted = set(mail.recipients)
            may_be_less = message_id in self.ledger.doubtful
            assert came == wanted or (came < wanted and may_be_less), f"{message_id} came to {came}, not to {wanted}"
        return sum(n - 1 for n in count.values())
