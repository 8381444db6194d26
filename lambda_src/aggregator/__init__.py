"""Exact, near-real-time aggregates of a DynamoDB table.

Read the modules in this order; each imports only from those above it:

===================  ====================================================================
``numerics``         decimal arithmetic within what a DynamoDB number can hold
``items``            reading attributes out of an item image (DynamoDB JSON)
``keys``             attribute values as parts of readable, collision-free keys
``expressions``      the language of ``value`` and ``where``
``buckets``          time buckets
``definition``       the declared aggregates, parsed and checked
``contributions``    what one source item adds to which rows: the pure core
``ledger``           one entry a source item: version and contributions last applied
``records``          from a stream event to the newest change of each source item
``transactions``     from changes to few, legal, non-overlapping transactions
``store``            the only module that talks to DynamoDB
``apply``            the loop that brings changes into ledger and rows exactly once
``handler``          the Lambda function: wiring, logging, batch item failures
===================  ====================================================================
"""
