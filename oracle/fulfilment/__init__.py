"""From views to shipments: compiled periods, and engines that drive any system view by view.

Greedy, closest-node and planned fulfilment stand behind one protocol.
"""
