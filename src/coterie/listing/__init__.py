"""The list language: one way to filter, sort, search and page, spoken by every list endpoint.

A request's body becomes a frozen tree once (`syntax`), which `indexed` plans over the field index and which `evaluate`
decides in plain Python; both read a resource by the same rules (`values`), so they never disagree.
"""
