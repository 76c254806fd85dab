"""
The book of all messages: who sent which, who got which, which were acknowledged to the sender (XEP-0198). Computes only.

    sent(sender, receiver)      answers the message's number; numbers of a sender rise by one
    acknowledged(sender, upto)  the server has taken this sender's messages below this number upon itself
    arrived(receiver, sender, number)
    ended(client, why)          its stream ended, which nobody wanted
    verdict()                   what is wrong, by kind, each with examples
"""
import collections

EXAMPLES = 5


class Ledger:
    def __init__(self):
        self.receivers = collections.defaultdict(list)  # sender -> receiver of each of its messages
        self.taken = collections.Counter()  # sender -> how many of its messages are acknowledged
        self.came = collections.defaultdict(list)  # (sender, receiver) -> numbers, as they came
        self.ends = []

    def sent(self, sender, receiver):
        self.receivers[sender].append(receiver)
        return len(self.receivers[sender]) - 1

    def acknowledged(self, sender, upto):
        self.taken[sender] = max(self.taken[sender], upto)

    def arrived(self, receiver, sender, number):
        self.came[sender, receiver].append(number)

    def ended(self, client, why):
        self.ends.append(f"{client}: {why}")

    def sent_count(self):
        return sum(map(len, self.receivers.values()))

    def arrived_count(self):
        return sum(map(len, self.came.values()))

    def acknowledged_count(self):
        return sum(self.taken.values())

    def _strangers(self):
        for (sender, receiver), numbers in self.came.items():
            sent = self.receivers.get(sender, [])
            for number in numbers:
                if not 0 <= number < len(sent) or sent[number] != receiver:
                    yield f"{sender} {number} at {receiver}"

    def _twice(self):
        for (sender, receiver), numbers in self.came.items():
            for number, times in collections.Counter(numbers).items():
                if times > 1:
                    yield f"{sender} {number} at {receiver}, {times} times"

    def _out_of_order(self):
        for (sender, receiver), numbers in self.came.items():
            for before, after in zip(numbers, numbers[1:]):
                if after < before:
                    yield f"{sender} {after} after {before} at {receiver}"

    def _missing(self, acknowledged):
        for sender, receivers in self.receivers.items():
            there = {receiver: set(self.came.get((sender, receiver), ())) for receiver in set(receivers)}
            for number, receiver in enumerate(receivers):
                if number not in there[receiver] and (number < self.taken[sender]) == acknowledged:
                    yield f"{sender} {number} to {receiver}"

    def verdict(self):
        kinds = {
            "lost": self._missing(True),  # acknowledged, and never came
            "vanished": self._missing(False),  # never acknowledged, although its sender stayed to the end
            "doubled": self._twice(),
            "reordered": self._out_of_order(),
            "misdelivered": self._strangers(),
            "ended": iter(self.ends),
        }
        found = {kind: list(cases) for kind, cases in kinds.items()}
        return {kind: {"count": len(cases), "examples": cases[:EXAMPLES]} for kind, cases in found.items()}
