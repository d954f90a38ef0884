"""The official client of Google Cloud KMS at the server made for the tests, over gRPC."""
import os

import grpc
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

with open(os.environ["CA"], "rb") as file:
    channel_credentials = grpc.ssl_channel_credentials(file.read())
token = grpc.access_token_call_credentials(os.environ["TOKEN"])
credentials = grpc.composite_channel_credentials(channel_credentials, token)
channel = grpc.secure_channel(os.environ["ENDPOINT"], credentials)
client = kms_v1.KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))
key = os.environ["KEY"]


def checksum(data):
    """CRC32C."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


plain = b"0123456789abcdef0123456789abcdef"
sealed = client.encrypt(request={"name": key, "plaintext": plain, "plaintext_crc32c": checksum(plain)})
assert plain not in sealed.ciphertext
assert sealed.verified_plaintext_crc32c
assert sealed.ciphertext_crc32c == checksum(sealed.ciphertext)
assert sealed.name == key + "/cryptoKeyVersions/1"
opened = client.decrypt(
    request={"name": key, "ciphertext": sealed.ciphertext, "ciphertext_crc32c": checksum(sealed.ciphertext)}
)
assert opened.plaintext == plain
assert opened.plaintext_crc32c == checksum(plain)
