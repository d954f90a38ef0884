"""The official client of Azure Key Vault at the server made for the tests, which is the proxy to all hosts of Azure."""
from azure.identity import EnvironmentCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm

vault = "https://test.vault.azure.net"
credential = EnvironmentCredential()
key = KeyClient(vault, credential).get_key("sops")
assert key.id.endswith("/fedcba9876543210fedcba9876543210"), key.id
client = CryptographyClient(key.id, credential)
plain = b"0123456789abcdef0123456789abcdef"
# Encrypted here, with the public key, and decrypted by the server.
sealed = client.encrypt(EncryptionAlgorithm.rsa_oaep_256, plain)
assert client.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed.ciphertext).plaintext == plain
