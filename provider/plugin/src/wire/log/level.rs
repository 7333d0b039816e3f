//! How much of what is said.
//!
//! | variable | counts for |
//! |---|---|
//! | `TF_LOG` | everything of Terraform |
//! | `TF_LOG_PROVIDER` | all providers |
//! | `TF_LOG_PROVIDER_C8` | the provider `c8` |
//! | `TF_LOG_PROVIDER_C8_KUBERNETES` | what is called `kubernetes` in it: a crate, or a module at any depth |
//!
//! The most special variable counts. Terraform itself shows nothing below what the first two ask for. So to hear more of one
//! part than of the rest, open that gate and say how much the rest may say:
//! `TF_LOG_PROVIDER=TRACE TF_LOG_PROVIDER_C8=INFO TF_LOG_PROVIDER_C8_KUBERNETES=TRACE`.

use std::str::FromStr;

use tracing::{Level, level_filters::LevelFilter};

/// Crates below ours that say more than anybody wants to read, most of it about single frames.
const CHATTY: [&str; 8] = ["h2", "hyper", "hyper_util", "tower", "tonic", "rustls", "want", "mio"];

/// What the environment asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    /// The provider's name as it is written in variables.
    provider: String,
    general: LevelFilter,
    /// By the name of the part.
    parts: Vec<(String, LevelFilter)>,
}

impl Levels {
    pub(super) fn of(provider: &str, variables: impl Iterator<Item = (String, String)>) -> Self {
        let provider = written(provider);
        let ours = format!("TF_LOG_PROVIDER_{provider}");
        let general = ["TF_LOG", "TF_LOG_PROVIDER", ours.as_str()];
        // the most special one that was found so far
        let mut found: Option<(usize, LevelFilter)> = None;
        let mut parts = Vec::new();
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            // what isn't a level means everything, as with Terraform
            let level = LevelFilter::from_str(&value).unwrap_or(LevelFilter::TRACE);
            if let Some(special) = general.iter().position(|one| *one == name) {
                if found.is_none_or(|(before, _)| before < special) {
                    found = Some((special, level));
                }
            } else if let Some(part) = name.strip_prefix(&ours).and_then(|rest| rest.strip_prefix('_')) {
                parts.push((part.to_owned(), level));
            }
        }
        Self { provider, general: found.map_or(LevelFilter::OFF, |(_, level)| level), parts }
    }

    /// The most that is wanted of anything.
    pub(super) fn most(&self) -> LevelFilter {
        self.parts.iter().map(|(_, level)| *level).chain([self.general]).max().unwrap_or(LevelFilter::OFF)
    }

    pub(super) fn want(&self, target: &str, level: Level) -> bool {
        level <= self.of_target(target)
    }

    fn of_target(&self, target: &str) -> LevelFilter {
        let segments: Vec<_> = target.split("::").map(written).collect();
        // the deeper in the code, the more special
        let depth = |part: &str| {
            let of_provider = format!("{}_{part}", self.provider);
            segments.iter().rposition(|segment| segment == part).or_else(|| {
                let krate = segments.first()?;
                (*krate == of_provider).then_some(0)
            })
        };
        let special =
            self.parts.iter().filter_map(|(part, level)| Some((depth(part)?, level))).max_by_key(|(at, _)| *at);
        let krate = target.split("::").next().unwrap_or_default();
        match special {
            Some((_, level)) => *level,
            None if CHATTY.contains(&krate) => self.general.min(LevelFilter::WARN),
            None => self.general,
        }
    }
}

/// A name as it is written in variables.
fn written(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(variables: &[(&str, &str)]) -> Levels {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Levels::of("my-thing", variables)
    }

    #[test]
    fn the_most_special_variable_counts() {
        let with = |variables: &[(&str, &str)]| levels(variables).of_target("my_thing");
        assert_eq!(with(&[]), LevelFilter::OFF);
        assert_eq!(with(&[("TF_LOG", "")]), LevelFilter::OFF);
        assert_eq!(with(&[("TF_LOG", "WARN")]), LevelFilter::WARN);
        assert_eq!(with(&[("TF_LOG", "JSON")]), LevelFilter::TRACE);
        assert_eq!(with(&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "off")]), LevelFilter::OFF);
        let both = [("TF_LOG_PROVIDER_MY_THING", "DEBUG"), ("TF_LOG_PROVIDER", "ERROR")];
        assert_eq!(with(&both), LevelFilter::DEBUG);
        assert_eq!(with(&[both[1], both[0]]), LevelFilter::DEBUG);
        assert_eq!(with(&[("TF_LOG_PROVIDER_OTHER", "DEBUG")]), LevelFilter::OFF);
    }

    /// Terraform lets everything pass, and the provider says only that.
    #[test]
    fn one_part_can_say_more_than_the_rest() {
        let levels = levels(&[
            ("TF_LOG_PROVIDER", "TRACE"),
            ("TF_LOG_PROVIDER_MY_THING", "INFO"),
            ("TF_LOG_PROVIDER_MY_THING_KUBERNETES", "TRACE"),
        ]);
        assert_eq!(levels.of_target("my_thing::kubernetes::pods"), LevelFilter::TRACE);
        assert_eq!(levels.of_target("my_thing::region"), LevelFilter::INFO);
        assert_eq!(levels.of_target("h2::codec"), LevelFilter::WARN);
    }

    #[test]
    fn parts_have_levels_of_their_own() {
        let levels = levels(&[
            ("TF_LOG_PROVIDER", "INFO"),
            ("TF_LOG_PROVIDER_MY_THING_KUBERNETES", "TRACE"),
            ("TF_LOG_PROVIDER_MY_THING_WATCH", "OFF"),
            ("TF_LOG_PROVIDER_MY_THING_CLIENTS", "ERROR"),
            ("TF_LOG_PROVIDER_MY_THING_H2", "DEBUG"),
        ]);
        assert_eq!(levels.most(), LevelFilter::TRACE);
        for (target, level) in [
            ("my_thing::region", LevelFilter::INFO),
            ("my_thing::kubernetes::pods", LevelFilter::TRACE),
            ("kubernetes", LevelFilter::TRACE),
            // deeper is more special
            ("my_thing::kubernetes::watch", LevelFilter::OFF),
            // the crate `my-thing-clients`
            ("my_thing_clients::http", LevelFilter::ERROR),
            ("my_thing::kubernetes2", LevelFilter::INFO),
            // frames are wanted if somebody asks for them
            ("h2::codec", LevelFilter::DEBUG),
            ("hyper::proto", LevelFilter::WARN),
        ] {
            assert_eq!(levels.of_target(target), level, "{target}");
        }
        assert!(levels.want("my_thing::kubernetes", Level::TRACE) && !levels.want("my_thing", Level::DEBUG));
    }
}
