"""Training that survives poison: partitioned ensembles with certificates, trimming, weights from a scan."""
