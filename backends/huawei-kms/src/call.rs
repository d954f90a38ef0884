//! One call to a service, and what it answers.

use std::time::SystemTime;

use serde_json::Value;
use sops_http::{
    Answer, Client, HeaderName, HeaderValue, Method, Problem, ProblemKind, Redirects, Request, Uri,
    tidy,
};

use crate::{
    credentials::Credentials,
    signer::{Signed, timestamp},
};

/// The two parts of the name of a key.
#[derive(Debug)]
pub(crate) struct KeyId<'a> {
    pub(crate) region: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> KeyId<'a> {
    /// Reads `region:uuid`.
    ///
    /// # Errors
    ///
    /// Fails if a part is missing.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        let parts = text
            .split_once(':')
            .map(|(region, id)| (region.trim(), id.trim()))
            .filter(|(region, id)| !region.is_empty() && !id.is_empty());
        let (region, id) = parts.ok_or_else(|| {
            Problem::setting(format!("{text:?} is no key of HuaweiCloud KMS")).with_hint(
                "write it as REGION:ID, such as tr-west-1:123e4567-e89b-12d3-a456-426614174000",
            )
        })?;
        Ok(Self { region, id })
    }
}

/// A service that can be called.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) client: &'a Client,
    pub(crate) credentials: &'a Credentials,
    pub(crate) service: &'static str,
    pub(crate) endpoint: Uri,
}

impl Call<'_> {
    /// Calls the service for a project.
    ///
    /// # Errors
    ///
    /// Fails if no answer comes, or one that says no.
    pub(crate) fn post(&self, path: &str, project: &str, body: &[u8]) -> Result<Value, Problem> {
        self.make(Method::POST, path, "", Some(project), body)
    }

    /// Asks for the project with the name of a region.
    ///
    /// # Errors
    ///
    /// Fails if no answer comes, or there is not exactly one.
    pub(crate) fn project(&self, region: &str) -> Result<String, Problem> {
        let query = format!("name={region}");
        let answer = self.make(Method::GET, "/v3/projects", &query, None, b"")?;
        let projects = answer.get("projects").and_then(Value::as_array);
        let ids: Vec<&str> = projects
            .into_iter()
            .flatten()
            .filter_map(|project| project.get("id").and_then(Value::as_str))
            .collect();
        match ids.as_slice() {
            [id] if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok((*id).to_owned()),
            _ => {
                let problem = format!("{} projects are called {region}", ids.len());
                Err(self
                    .failed(&problem)
                    .with_hint("set HUAWEICLOUD_SDK_PROJECT_ID"))
            }
        }
    }

    fn make(
        &self,
        method: Method,
        path: &str,
        query: &str,
        project: Option<&str>,
        body: &[u8],
    ) -> Result<Value, Problem> {
        let time = timestamp(SystemTime::now());
        let host = self
            .endpoint
            .authority()
            .map(|authority| authority.as_str());
        let token = self.credentials.security_token.as_ref();
        let mut signed = vec![("host", host.unwrap_or_default())];
        signed.extend(project.map(|project| ("x-project-id", project)));
        signed.push(("x-sdk-date", &time));
        signed.extend(token.map(|token| ("x-security-token", token.expose())));
        let authorization = Signed {
            method: method.as_str(),
            path,
            query,
            headers: &signed,
            body,
        }
        .authorization(
            &time,
            &self.credentials.access_key,
            self.credentials.secret_key.expose(),
        );
        let mut headers = vec![(
            HeaderName::from_static("content-type"),
            HeaderValue::from_static("application/json;charset=UTF-8"),
        )];
        signed.push(("authorization", &authorization));
        for (name, text) in &signed {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                Problem::setting(format!(
                    "{name} from {} cannot be sent",
                    self.credentials.source
                ))
            })?;
            value.set_sensitive(matches!(*name, "authorization" | "x-security-token"));
            headers.push((HeaderName::from_static(name), value));
        }
        let answer = self.client.send(&Request {
            method,
            uri: self.uri(path, query)?,
            headers: &headers,
            body,
            redirects: Redirects::Refused,
        });
        let answer = answer.map_err(|problem| self.no_answer(problem))?;
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body)
                .map_err(|_| self.failed("the answer is not JSON")),
            _ => Err(self.refusal(&answer)),
        }
    }

    fn uri(&self, path: &str, query: &str) -> Result<Uri, Problem> {
        let mark = if query.is_empty() { "" } else { "?" };
        Uri::builder()
            .scheme(self.endpoint.scheme_str().unwrap_or("https"))
            .authority(
                self.endpoint
                    .authority()
                    .map_or("", |authority| authority.as_str()),
            )
            .path_and_query(format!("{path}{mark}{query}"))
            .build()
            .map_err(|_| self.failed("its address cannot be put together"))
    }

    fn no_answer(&self, problem: Problem) -> Problem {
        let told = Problem::new(problem.kind, self.failed(&problem.message).message);
        match (problem.hint, problem.kind) {
            (Some(hint), _) => told.with_hint(hint),
            (None, ProblemKind::Unreachable | ProblemKind::Slow) => told.with_hint(
                "can it be reached from here? A proxy is named by HTTPS_PROXY, a longer time by SOPS_KEY_TIMEOUT",
            ),
            (None, ProblemKind::Untrusted) => {
                told.with_hint("SSL_CERT_FILE names a file with the certificates of trusted authorities")
            }
            (None, _) => told,
        }
    }

    /// What it means that the service says no.
    fn refusal(&self, answer: &Answer) -> Problem {
        let status = answer.status;
        let said = said(&answer.body, self.credentials);
        let words = match said.is_empty() {
            true => format!("status {status}"),
            false => format!("{said} (status {status})"),
        };
        let problem = self.failed(&words);
        let Credentials {
            access_key, source, ..
        } = self.credentials;
        match status {
            401 => problem.with_hint(format!(
                "is the access key {access_key} from {source} right and in force, and is the clock of this machine right?"
            )),
            403 => problem.with_hint(format!(
                "may the access key {access_key} from {source} use this key (kms:cmk:crypto, KMS CMKFullAccess), and is the project right?"
            )),
            400 if said.contains("KMS.0209") => {
                problem.with_hint("who manages the key can enable it again in the console of KMS")
            }
            400 if said.contains("KMS.0210") => problem.with_hint(
                "until it is deleted, who manages the key can cancel that in the console of KMS, and enable it again",
            ),
            400 | 404 => {
                problem.with_hint("is there such a key in this region and project, and is it enabled?")
            }
            429 | 500..=599 => problem.with_hint("try again later"),
            _ => problem,
        }
    }

    /// Returns a problem with this service.
    pub(crate) fn failed(&self, reason: &str) -> Problem {
        Problem::new(
            ProblemKind::Refused,
            format!(
                "HuaweiCloud {} at {}: {reason}",
                self.service,
                self.endpoint.host().unwrap_or_default()
            ),
        )
    }
}

/// What the service says went wrong, in one of the forms that its parts have for that.
fn said(body: &[u8], credentials: &Credentials) -> String {
    let token = credentials.security_token.as_ref();
    let mut secrets = vec![credentials.secret_key.expose()];
    secrets.extend(token.map(|token| token.expose()));
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let inner = value.get("error").unwrap_or(&value);
    let text = |names: [&str; 2]| {
        let mut names = names.iter();
        names.find_map(|name| inner.get(name).and_then(Value::as_str))
    };
    let message = text(["error_msg", "message"]);
    let code = text(["error_code", "code"]);
    match (code, message) {
        (Some(code), Some(message)) => tidy(&format!("{message} ({code})"), &secrets),
        (None, Some(text)) | (Some(text), None) => tidy(text, &secrets),
        (None, None) => tidy(&String::from_utf8_lossy(body), &secrets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys() {
        let key = KeyId::parse(" tr-west-1 : a:b ").expect("a key");
        assert_eq!((key.region, key.id), ("tr-west-1", "a:b"));
        for bad in ["", "a", ":a", "a:", " : ", "a: "] {
            assert!(KeyId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
