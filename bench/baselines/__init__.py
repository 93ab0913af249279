"""What `broker` is compared with: the usual way, a peer, and the bare socket calls."""
