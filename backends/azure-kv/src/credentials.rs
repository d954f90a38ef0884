//! Who we are: where credentials are looked for, and how they become access tokens.

use std::{
    fs::File,
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use sops_core::{SecretText, keys::KeyError};
use sops_http::{
    AccessToken, Address, Answer, Call, Client, Limits, Problem, Proxies, Trust, encode, form,
    output_of, tidy,
};
use zeroize::Zeroizing;

use crate::{Environment, certificate};

/// The machine answers in an instant, or there is nothing to answer.
const MACHINE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Tokens end here.
const MAX_TOKEN: usize = 1 << 20;

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Environment,
    Workload,
    ManagedIdentity,
    AzureCli,
    DeveloperCli,
}

const ALL: [Way; 5] = [
    Way::Environment,
    Way::Workload,
    Way::ManagedIdentity,
    Way::AzureCli,
    Way::DeveloperCli,
];

/// What came of a way.
enum Outcome {
    Token(AccessToken),
    /// There is nothing to log in with. Why, in words.
    Absent(String),
    /// There is, but it failed.
    Failed(KeyError),
}

/// Gets an access token in the first way that there is.
pub(crate) fn token(
    environment: &Environment,
    client: &Client,
    resource: &str,
    time_limit: Duration,
) -> Result<AccessToken, KeyError> {
    let ways = ways(environment)?;
    let login = Login {
        environment,
        client,
        resource,
        time_limit,
        is_only_way: ways.len() == 1,
    };
    let mut absent = Vec::new();
    for &way in ways {
        match login.try_way(way) {
            Outcome::Token(token) => return Ok(token),
            Outcome::Failed(error) => return Err(error),
            Outcome::Absent(why) => absent.push(why),
        }
    }
    Err(KeyError::new(format!(
        "there are no credentials for Azure: {}",
        absent.join("; ")
    ))
    .with_hint(match ways.len() == ALL.len() {
        true => {
            "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
        }
        false => {
            "AZURE_TOKEN_CREDENTIALS leaves no other way to log in: unset it, or set up what it asks for"
        }
    }))
}

/// The ways that `AZURE_TOKEN_CREDENTIALS` leaves.
fn ways(environment: &Environment) -> Result<&'static [Way], KeyError> {
    const NAMES: [&str; 5] = [
        "environmentcredential",
        "workloadidentitycredential",
        "managedidentitycredential",
        "azureclicredential",
        "azuredeveloperclicredential",
    ];
    let Some(choice) = environment.get("AZURE_TOKEN_CREDENTIALS") else {
        return Ok(&ALL);
    };
    match choice.trim().to_lowercase().as_str() {
        "prod" => Ok(&ALL[..3]),
        "dev" => Ok(&ALL[3..]),
        name => match NAMES.iter().position(|known| *known == name) {
            Some(at) => Ok(&ALL[at..=at]),
            None => Err(KeyError::new(format!("AZURE_TOKEN_CREDENTIALS: there are no credentials {:?}", tidy(&choice, &[])))
                .with_hint("it is dev, prod, or one of EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential, AzureCLICredential, AzureDeveloperCLICredential")),
        },
    }
}

#[derive(Clone, Copy)]
struct Login<'a> {
    environment: &'a Environment,
    client: &'a Client,
    /// What the token is for.
    resource: &'a str,
    time_limit: Duration,
    /// Whether no other way is left to try.
    is_only_way: bool,
}

impl Login<'_> {
    fn try_way(self, way: Way) -> Outcome {
        match way {
            Way::Environment => self.with_environment(),
            Way::Workload => self.with_workload_identity(),
            Way::ManagedIdentity => self.with_managed_identity(),
            Way::AzureCli => self.with_azure_cli(),
            Way::DeveloperCli => self.with_developer_cli(),
        }
    }

    fn with_environment(self) -> Outcome {
        let get = |name| self.environment.get(name);
        let (Some(tenant), Some(id)) = (get("AZURE_TENANT_ID"), get("AZURE_CLIENT_ID")) else {
            return Outcome::Absent("AZURE_TENANT_ID and AZURE_CLIENT_ID are not set".to_owned());
        };
        let who = format!("the client {id} in the tenant {tenant}");
        if let Some(secret) = get("AZURE_CLIENT_SECRET") {
            let secret = Zeroizing::new(secret);
            return self.with_client(&tenant, &id, &[("client_secret", &secret)], &who);
        }
        if let Some(path) = get("AZURE_CLIENT_CERTIFICATE_PATH") {
            let assertion = self
                .token_url(&tenant)
                .and_then(|url| certificate::assertion(Path::new(&path), &id, &url));
            return match assertion {
                Ok(assertion) => self.with_client(&tenant, &id, &asserted(&assertion), &who),
                Err(error) => Outcome::Failed(error),
            };
        }
        Outcome::Absent(
            "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set".to_owned(),
        )
    }

    fn with_workload_identity(self) -> Outcome {
        let get = |name| self.environment.get(name);
        let (Some(file), Some(tenant), Some(id)) = (
            get("AZURE_FEDERATED_TOKEN_FILE"),
            get("AZURE_TENANT_ID"),
            get("AZURE_CLIENT_ID"),
        ) else {
            return Outcome::Absent("AZURE_FEDERATED_TOKEN_FILE is not set".to_owned());
        };
        match File::open(&file).and_then(|file| SecretText::read_limited(file, MAX_TOKEN)) {
            Ok(token) => {
                let who = format!("the workload identity {id} in the tenant {tenant}");
                self.with_client(&tenant, &id, &asserted(token.expose().trim()), &who)
            }
            Err(error) => Outcome::Failed(KeyError::new(format!(
                "cannot read the token in {file}, which AZURE_FEDERATED_TOKEN_FILE names: {error}"
            ))),
        }
    }

    fn token_url(self, tenant: &str) -> Result<String, KeyError> {
        let host = self.environment.get("AZURE_AUTHORITY_HOST");
        let host = host.unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
        let text = if host.contains("://") {
            host
        } else {
            format!("https://{host}")
        };
        match Address::parse(&text) {
            Ok(address) if address.is_https() => {
                Ok(format!("{address}/{}/oauth2/v2.0/token", *encode(tenant)))
            }
            _ => Err(KeyError::new(format!(
                "AZURE_AUTHORITY_HOST: {text:?} is no address of https"
            ))),
        }
    }

    fn with_client(self, tenant: &str, id: &str, proof: &[(&str, &str)], who: &str) -> Outcome {
        let url = match self.token_url(tenant) {
            Ok(url) => url,
            Err(error) => return Outcome::Failed(error),
        };
        let scope = format!("{}/.default", self.resource);
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("scope", &scope),
        ];
        fields.extend_from_slice(proof);
        let body = form(&fields);
        let call = Call::post(&url, body.expose())
            .header("content-type", "application/x-www-form-urlencoded");
        self.requested(&call, who)
    }

    fn with_managed_identity(self) -> Outcome {
        let id = self.environment.get("AZURE_CLIENT_ID");
        let who = match &id {
            Some(id) => format!("the managed identity {id}"),
            None => "the managed identity of this machine".to_owned(),
        };
        let chosen = id.iter().map(|id| format!("&client_id={}", *encode(id)));
        let query = format!(
            "resource={}{}",
            *encode(self.resource),
            chosen.collect::<String>()
        );
        let of_app = (
            self.environment.get("IDENTITY_ENDPOINT"),
            self.environment.get("IDENTITY_HEADER"),
        );
        if let (Some(endpoint), Some(header)) = of_app {
            let url = format!("{endpoint}?api-version=2019-08-01&{query}");
            let header = Zeroizing::new(header);
            let call = Call::get(&url).header("x-identity-header", &header);
            return match machine(self.time_limit, 3).call(&call) {
                Ok(answer) => read(&answer, &who, OF_MACHINE),
                Err(problem) => Outcome::Failed(unreachable(problem, &who)),
            };
        }
        let host = self.environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        let host = host.unwrap_or_else(|| "http://169.254.169.254".to_owned());
        let url = format!(
            "{}/metadata/identity/oauth2/token?api-version=2018-02-01&{query}",
            host.trim_end_matches('/')
        );
        let call = Call::get(&url).header("metadata", "true");
        // Whether there is one is found out with a call that cannot last, if there is something else to try.
        let patience = match self.is_only_way {
            true => self.time_limit,
            false => MACHINE_TIME_LIMIT,
        };
        match machine(patience, 0).call(&call) {
            Ok(answer) if answer.is_success() => read(&answer, &who, OF_MACHINE),
            Ok(answer) if answer.status == 400 => {
                Outcome::Absent("this machine has no such managed identity".to_owned())
            }
            Ok(answer) if matches!(answer.status, 404 | 410 | 429 | 500..=599) => {
                match machine(patience.max(MACHINE_TIME_LIMIT * 4), 3).call(&call) {
                    Ok(answer) => read(&answer, &who, OF_MACHINE),
                    Err(problem) => Outcome::Failed(unreachable(problem, &who)),
                }
            }
            Ok(_) => Outcome::Absent("this is no machine of Azure".to_owned()),
            Err(problem) => Outcome::Absent(format!("this is no machine of Azure ({problem})")),
        }
    }

    fn with_azure_cli(self) -> Outcome {
        let mut arguments = vec![
            "account",
            "get-access-token",
            "--output",
            "json",
            "--resource",
            self.resource,
        ];
        let tenant = self.environment.get("AZURE_TENANT_ID");
        if let Some(tenant) = tenant.as_deref().filter(|tenant| !tenant.starts_with('-')) {
            arguments.extend(["--tenant", tenant]);
        }
        self.printed("az", &arguments, "`az login` logs in")
    }

    fn with_developer_cli(self) -> Outcome {
        let scope = format!("{}/.default", self.resource);
        let arguments = [
            "auth",
            "token",
            "--output",
            "json",
            "--no-prompt",
            "--scope",
            &scope,
        ];
        self.printed("azd", &arguments, "`azd auth login` logs in")
    }

    /// A token that a program prints.
    fn printed(self, program: &str, arguments: &[&str], hint: &str) -> Outcome {
        #[derive(Deserialize)]
        struct Printed {
            #[serde(alias = "accessToken")]
            token: SecretText,
        }

        let output = match output_of(program, arguments, self.time_limit) {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Outcome::Absent(format!("there is no program {program}"));
            }
            Err(error) => {
                return Outcome::Absent(format!("{program} gives no token, {error}: {hint}"));
            }
        };
        match sops_http::read_json::<Printed>(output.expose()) {
            Ok(printed) => {
                // It is asked again rather than believed for long.
                Outcome::Token(AccessToken::new(
                    printed.token,
                    format!("who is logged in with {program}"),
                    Some(600),
                ))
            }
            Err(_) => Outcome::Failed(KeyError::new(format!("what {program} prints is no token"))),
        }
    }

    fn requested(self, call: &Call<'_>, who: &str) -> Outcome {
        match self.client.call(call) {
            Ok(answer) => read(&answer, who, OF_CLIENT),
            Err(error) => Outcome::Failed(unreachable(error, who)),
        }
    }
}

/// What to do when a client may not log in.
const OF_CLIENT: &str = "are AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret right and not expired? AZURE_TOKEN_CREDENTIALS chooses another way to log in";
/// What to do when a machine may not.
const OF_MACHINE: &str = "is this identity assigned to the machine? AZURE_CLIENT_ID names one of several; AZURE_TOKEN_CREDENTIALS chooses another way to log in";

/// The token in an answer, or why there is none.
fn read(answer: &Answer, who: &str, hint: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Token {
        access_token: SecretText,
        expires_in: Option<Seconds>,
        /// Seconds since 1970. Some say only this.
        expires_on: Option<Seconds>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }

    let number = |seconds: Option<Seconds>| match seconds? {
        Seconds::Number(seconds) => Some(seconds),
        Seconds::Text(text) => text.parse::<u64>().ok(),
    };
    match answer.json::<Token>() {
        Ok(token) if answer.is_success() => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or_default().as_secs();
            let seconds = number(token.expires_in)
                .or_else(|| Some(number(token.expires_on)?.saturating_sub(now)))
                .unwrap_or(300);
            Outcome::Token(AccessToken::new(token.access_token, who, Some(seconds)))
        }
        _ => Outcome::Failed(
            KeyError::new(format!(
                "Azure does not let {who} log in: {} (status {})",
                answer.reason(),
                answer.status
            ))
            .with_hint(hint),
        ),
    }
}

/// For the machine itself: no proxy leads there.
fn machine(timeout: Duration, repetitions: u32) -> Client {
    let limits = Limits {
        timeout,
        repetitions,
    };
    Client::new(Trust::default(), Proxies::default(), limits)
}

fn asserted(assertion: &str) -> [(&str, &str); 2] {
    [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
    ]
}

fn unreachable(problem: Problem, who: &str) -> KeyError {
    KeyError::from(problem.when(&format!("cannot reach Azure to log in as {who}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(choice: &'static str) -> Option<&'static [Way]> {
        let environment = Environment::new(move |_| Some(choice.to_owned()), None);
        ways(&environment).ok()
    }

    #[test]
    fn choices() {
        assert_eq!(chosen(""), Some(&ALL[..]));
        assert_eq!(chosen("Dev"), Some(&[Way::AzureCli, Way::DeveloperCli][..]));
        assert_eq!(chosen("prod").map(<[Way]>::len), Some(3));
        assert_eq!(chosen("AzureCLICredential"), Some(&[Way::AzureCli][..]));
        assert_eq!(chosen("nobody"), None);
    }
}
