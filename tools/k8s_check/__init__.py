"""Checks k8s/ without a cluster, and that deploy/ agrees with it."""
