"""Write-back: what a run found is written into documents, and can be taken back."""
