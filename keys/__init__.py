"""Every cryptographic primitive: envelope formats, HPKE, blinding, MACs, the KeyStore."""
