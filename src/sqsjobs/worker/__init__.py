"""The worker: poller -> dispatcher -> executor -> settler, with leases under all of them.

`worker` nests the stages; `intake` decides who polls and who starts; `lease` keeps messages hidden while
they are in hand.
"""
