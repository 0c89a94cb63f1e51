"""``sniffer doctor``: what keeps this sensor, on this machine and this mirror port, from seeing.

In: interfaces, a configuration.  Out: findings, each with a remedy where something is wrong.
Never: a change to an interface, the clock or the machine; a packet kept.

    machine.py   kernel, permission, memory, compiled kernels, clock
    link.py      an interface: up, carrier, speed, offloads, losses of the card
    listening.py some seconds of traffic through the real ring and the real engine
    visit.py     all of these in order, and the exit status
"""
