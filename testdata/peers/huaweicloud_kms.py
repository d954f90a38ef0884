"""Encrypts and decrypts a text with HuaweiCloud's kit, and prints it: ADDRESS ACCESS_KEY SECRET_KEY PROJECT KEY_ID."""

import sys

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkkms.v2 import (
    DecryptDataRequest,
    DecryptDataRequestBody,
    EncryptDataRequest,
    EncryptDataRequestBody,
    KmsClient,
)

address, access_key, secret_key, project, key_id = sys.argv[1:]
credentials = BasicCredentials(access_key, secret_key, project)
client = KmsClient.new_builder().with_credentials(credentials).with_endpoint(address).build()
body = EncryptDataRequestBody(
    key_id=key_id, plain_text="b3BlbnNlc2FtZQ==", encryption_algorithm="SYMMETRIC_DEFAULT"
)
wrapped = client.encrypt_data(EncryptDataRequest(body=body)).cipher_text
body = DecryptDataRequestBody(
    cipher_text=wrapped, key_id=key_id, encryption_algorithm="SYMMETRIC_DEFAULT"
)
print(client.decrypt_data(DecryptDataRequest(body=body)).plain_text)
