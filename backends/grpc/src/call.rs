//! Calls, bounded in every way.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use http::uri::PathAndQuery;
use prost::Message;
use sops_runtime::{run, run_within};
use tonic::{
    Request, Status,
    client::Grpc,
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
    transport::Channel,
};
use tonic_prost::ProstCodec;

use crate::{CallError, Target};

/// No message that holds a wrapped key is nearly as long.
const MAX_MESSAGE: usize = 1 << 20;
/// Longer than this no connection takes.
const CONNECT: Duration = Duration::from_secs(10);
/// The pause before the first repetition; each further one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// What is said beside a call: names and values, which may be secret.
pub type Metadata<'a> = [(&'static str, &'a str)];

/// A connection to a server, made when the first call needs it, and made again when it breaks.
pub struct Connection {
    target: Target,
    channel: OnceLock<Channel>,
    time_limit: Duration,
    repetitions: u32,
}

impl Connection {
    /// Returns one that is not open yet. A call may take as long as `time_limit`, with all its repetitions, of which there
    /// are at most `repetitions` when the service says that it is busy.
    #[must_use]
    pub fn new(target: Target, time_limit: Duration, repetitions: u32) -> Self {
        Self {
            target,
            channel: OnceLock::new(),
            time_limit,
            repetitions,
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer in time, or it is a refusal.
    pub fn call<Q, A>(
        &self,
        path: &'static str,
        metadata: &Metadata<'_>,
        question: impl Fn() -> Q,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let deadline = Instant::now() + self.time_limit;
        let mut pause = FIRST_PAUSE;
        for _ in 0..self.repetitions {
            let outcome = self.once(path, metadata, question(), deadline);
            match &outcome {
                Err(error) if error.is_passing() => {}
                _ => return outcome,
            }
            // An answer now is worth more than none later.
            if deadline.saturating_duration_since(Instant::now()) <= pause {
                return outcome;
            }
            thread::sleep(pause);
            pause *= 3;
        }
        self.once(path, metadata, question(), deadline)
    }

    fn once<Q, A>(
        &self,
        path: &'static str,
        metadata: &Metadata<'_>,
        question: Q,
        deadline: Instant,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let channel = self.channel()?;
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let mut request = Request::new(question);
        request.set_timeout(left);
        for (name, value) in metadata {
            let mut value = AsciiMetadataValue::try_from(*value)
                .map_err(|_| CallError::Unreachable(format!("{name} cannot be said")))?;
            value.set_sensitive(true);
            let name = AsciiMetadataKey::from_static(name);
            request.metadata_mut().insert(name, value);
        }
        let call = async move {
            let mut grpc = Grpc::new(channel)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE);
            grpc.ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static(path);
            let answer = grpc
                .unary(request, path, ProstCodec::<Q, A>::default())
                .await?;
            Ok(answer.into_inner())
        };
        match run_within(left, call) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(CallError::from_status(&status, self.time_limit)),
            Err(sops_runtime::RuntimeError::TimedOut(_)) => {
                Err(CallError::TimedOut(self.time_limit))
            }
            Err(error) => Err(CallError::from_runtime(&error)),
        }
    }

    fn channel(&self) -> Result<Channel, CallError> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel.clone());
        }
        let (target, limit) = (self.target.clone(), self.time_limit.min(CONNECT));
        // The connection is a task of the thread for the network.
        let channel = run(async move { target.channel(limit) })
            .map_err(|error| CallError::from_runtime(&error))?
            .map_err(|error| CallError::Unreachable(error.message))?;
        Ok(self.channel.get_or_init(|| channel).clone())
    }
}
