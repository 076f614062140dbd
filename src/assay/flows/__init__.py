"""Where one room calls the next: from a finding to data, a ledger and a model that are rid of it.

Every flow is a list of steps over what the rooms offer. It knows no statistics and no file format of its own but the journal.
"""
