//! Where settings are looked up.

use std::{env, fmt, path::PathBuf};

/// Where a variable is looked up.
type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables and the home folder of a user.
pub struct Environment {
    variable: Box<Variable>,
    /// The home folder, if there is one.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Returns the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| env::var(name).ok(), env::home_dir())
    }

    /// Returns an environment of other variables and another home folder.
    #[must_use]
    pub fn new(
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        home: Option<PathBuf>,
    ) -> Self {
        Self {
            variable: Box::new(variable),
            home,
        }
    }

    /// Returns the value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}
