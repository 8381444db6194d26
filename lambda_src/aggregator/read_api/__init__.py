"""The read API: a second Lambda function of the same package, behind the GET routes of modules/api.

It reads rows and writes nothing, and imports nothing of what writes them. Read the modules in this order; each imports
only from those above it, and from the pure ones of :mod:`aggregator`:

============  ======================================================================================
``request``   from the path and parameters of a request to what is to be read; pages; refusals
``table``     the table with the rows, and its indexes: the only module here that talks to DynamoDB
``rows``      the rows that a request asks for, one after the other; parts of a row made one
``answer``    JSON and CSV, headers, entity tags
``handler``   the Lambda function: wiring and logging
============  ======================================================================================
"""
