"""Alarms to people: from the ledger and from what desk sees, kept until a channel has taken them and a person has seen them."""
