"""Live models and live data: what a deployed model does, watched with a false-alarm budget, and the gate before it learns.

    events ──► baseline (a trusted period) ──► detectors (S, one budget) ──► alarms ──► alerts
       └─────► journal (every acknowledged event)                              incident, rollback

Stands beside the scan, on the ground floors; what joins them is the artefact and the row digest.
"""
