//! Answers that end: the SDK would read one for as long as it goes on, from whoever says that it is a machine of AWS.

use std::error::Error;

use aws_sdk_kms::config::{HttpClient as _, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{LengthLimitError, Limited};

/// No answer that holds a key or credentials is nearly as long.
const MAX_ANSWER: usize = 1 << 20;

/// Has the answers that `client` gets end, with an error where they are larger than any that is expected.
pub(crate) fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(
        move |settings: &HttpConnectorSettings, components: &RuntimeComponents| {
            SharedHttpConnector::new(Bounded(client.http_connector(settings, components)))
        },
    )
}

/// Whether `error` is about an answer that was too large.
pub(crate) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[derive(Debug)]
struct Bounded(SharedHttpConnector);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = call.await?;
            Ok(answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER))))
        })
    }
}
