"""Exact, near-real-time aggregates of a DynamoDB table.

Read the modules in this order; each imports only from those above it:

===================  ====================================================================
``version``          the version of all this
``numerics``         decimal arithmetic within what a DynamoDB number can hold
``items``            reading attributes out of an item image (DynamoDB JSON)
``keys``             attribute values as parts of readable, collision-free keys
``times``            points in time, and the changes of clock of time zones
``expressions``      the language of ``value`` and ``where``
``buckets``          time buckets
``groups``           the group of an item: attributes, defaults, elements of lists
``measures``         the functions of measures: what an item adds to a row, and how it is kept
``definition``       the declared aggregates, parsed and checked
``reading``          from what a row keeps to the measures that people ask for
``contributions``    what one source item adds to which rows: the pure core
``ledger``           one entry a source item: version and contributions last applied; indexes of rows
``row_schema``       how rows stand in their table: names of the keys, their prefix
``records``          from a stream event to the newest change of each source item
``transactions``     from changes to few, legal, non-overlapping transactions
``extremes``         the ends of a row's indexes after a transaction
``wire``             the actions of a transaction, written in one pass
``store``            the ledger and the aggregate table: one transaction, and what became of it
``source``           the source table, for what the stream does not tell
``apply``            the loop that brings changes into ledger and rows exactly once
``delivery``         the three deliveries, and what each can keep right
``deltas``           what records change in each row, for the deliveries without a ledger
``seen``             the rows that this process has written, to guess which rows are there
``rows``             the aggregate table, one row at a time
``batches``          many rows in one call: statements of PartiQL for those that need no look
``at_least_once``    delivery ``none``
``watermark``        delivery ``watermark``
``reconcile``        backfill and replay: entries brought into agreement with the source table
``pace``             how fast a backfill may go
``segments``         a backfill of a segment of the source table, page by page
``deployed``         what the function is deployed with, for those who write beside it
``metrics``          the log line of an invocation, which is also its metrics
``handler``          the Lambda function: wiring, logging, batch item failures
``backfill``         the Lambda function of a backfill: a step of its state machine
===================  ====================================================================

``read_api`` is a second function, which reads rows for the REST API.
"""
