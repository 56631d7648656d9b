"""The links of an audit: each says what one part of the chain is, and whether it still holds."""
