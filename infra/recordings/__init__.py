"""What did others record? Importers that make event rows of every kind of data folder, and nothing they do not say."""
