"""The official client of HuaweiCloud KMS at the server made for the tests."""
import base64
import os

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkkms.v2 import (
    DecryptDataRequest, DecryptDataRequestBody, EncryptDataRequest, EncryptDataRequestBody, KmsClient,
)

credentials = BasicCredentials(
    os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"], os.environ["HUAWEICLOUD_SDK_PROJECT_ID"]
)
region = Region("tr-west-1", os.environ["HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1"])
client = KmsClient.new_builder().with_credentials(credentials).with_region(region).build()
key = "123e4567-e89b-12d3-a456-426614174000"
plain = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
body = EncryptDataRequestBody(key_id=key, plain_text=plain, encryption_algorithm="SYMMETRIC_DEFAULT")
sealed = client.encrypt_data(EncryptDataRequest(body=body)).cipher_text
assert sealed != plain
body = DecryptDataRequestBody(key_id=key, cipher_text=sealed, encryption_algorithm="SYMMETRIC_DEFAULT")
assert client.decrypt_data(DecryptDataRequest(body=body)).plain_text == plain
