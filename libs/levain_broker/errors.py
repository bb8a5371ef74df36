"""What a caller of the broker can see: an adapter translates its driver's errors at the edge.

BrokerError
+-- BrokerUnavailable    not connected, or no confirm in time: the message may or may not have arrived; send it again later
+-- QueueFull            the queue's bound is reached and the broker refused the message: send it again later
"""


class BrokerError(Exception):
    pass


class BrokerUnavailable(BrokerError):
    pass


class QueueFull(BrokerError):
    pass
