//! The key of the service account: which one is kept, which regions need it. Pure; its content is a [`Secret`] all the
//! way.

use c8_clients::Secret;
use serde::Deserialize;

/// A key with its credentials file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Id, which is no secret.
    pub id: String,
    /// The account that it is for.
    pub email: String,
    /// The credentials file.
    pub file: Secret,
}

impl Key {
    /// Reads a credentials file; `None` if it is none.
    #[must_use]
    pub fn parse(file: Secret) -> Option<Self> {
        #[derive(Deserialize)]
        struct Credentials {
            private_key_id: String,
            client_email: String,
        }
        let parsed: Credentials = serde_json::from_str(file.expose()).ok()?;
        Some(Self { id: parsed.private_key_id, email: parsed.client_email, file })
    }
}

/// Which of the keys that lie in the regions is the one to keep: one that Google still knows, rather the one of the
/// state. `None`: a new one is needed.
#[must_use]
pub fn keep<'a>(
    found: impl IntoIterator<Item = &'a Key>,
    email: &str,
    usable: &[String],
    state: Option<&str>,
) -> Option<&'a Key> {
    let mut candidates: Vec<&Key> =
        found.into_iter().filter(|key| key.email == email && usable.contains(&key.id)).collect();
    candidates.sort_by_key(|key| state != Some(key.id.as_str()));
    candidates.first().copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    fn key(id: &str, email: &str) -> Key {
        let file = format!(
            r#"{{"type":"service_account","private_key_id":"{id}","client_email":"{email}","private_key":"hunter2"}}"#
        );
        Key::parse(Secret::new(file)).unwrap()
    }

    #[rstest]
    #[case::none(&[], &["k1"], None, None)]
    #[case::there(&[("k1", "e")], &["k1"], None, Some("k1"))]
    #[case::deleted_in_google(&[("k1", "e")], &[], Some("k1"), None)]
    #[case::other_account(&[("k1", "x")], &["k1"], Some("k1"), None)]
    #[case::state_wins(&[("k2", "e"), ("k1", "e")], &["k1", "k2"], Some("k1"), Some("k1"))]
    #[case::rotated(&[("k2", "e")], &["k1", "k2"], Some("k1"), Some("k2"))]
    fn the_key_that_works_is_kept(
        #[case] found: &[(&str, &str)],
        #[case] usable: &[&str],
        #[case] state: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let found: Vec<Key> = found.iter().map(|(id, email)| key(id, email)).collect();
        let usable: Vec<String> = usable.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(keep(&found, "e", &usable, state).map(|key| key.id.as_str()), expected);
    }

    #[test]
    fn a_key_is_never_printed() {
        assert!(!format!("{:?}", key("k1", "e")).contains("hunter2"));
        assert_eq!(Key::parse(Secret::from("no json")), None);
    }
}
