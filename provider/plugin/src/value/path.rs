use std::fmt;

/// Where in a value something is: `cluster[0].disk`, `labels["app"]`.
///
/// Terraform points at the line of the configuration that a path names. The elements of a set have no
/// address: a path ends at the set.
///
/// ```
/// use terraform_plugin::value::Path;
/// let path = Path::root().attr("topology").index(1).attr("labels").key("app");
/// assert_eq!(path.to_string(), r#"topology[1].labels["app"]"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// An attribute of an object, or an attribute or a nested block of a block.
    Attribute(String),
    /// An element of a map.
    Key(String),
    /// An element of a list or a tuple.
    Index(usize),
}

impl Path {
    /// The whole value.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The attribute `name` of what this path names.
    #[must_use]
    pub fn attr(&self, name: impl Into<String>) -> Self {
        self.with(Step::Attribute(name.into()))
    }

    /// The element `key` of the map that this path names.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// The element `index`, from 0, of the list that this path names.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether this is [`Path::root`].
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What the last step leads out of; the root's parent is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        let mut steps = self.0.clone();
        steps.pop();
        Self(steps)
    }

    /// Whether `other` lies at or below this path.
    pub fn contains(&self, other: &Path) -> bool {
        other.0.starts_with(&self.0)
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// A top-level attribute: `Path::from("region_id")`.
impl From<&str> for Path {
    fn from(attribute: &str) -> Self {
        Self::root().attr(attribute)
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => f.write_str(name)?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_as_terraform_writes_it() {
        let path = Path::from("cluster").index(0).attr("labels").key("a\"b");
        assert_eq!(path.to_string(), "cluster[0].labels[\"a\\\"b\"]");
        assert_eq!(Path::root().to_string(), "");
    }

    #[test]
    fn contains_itself_and_what_is_below() {
        let cluster = Path::from("cluster");
        assert!(cluster.contains(&cluster.index(0)));
        assert!(cluster.contains(&cluster));
        assert!(!cluster.index(0).contains(&cluster));
        assert_eq!(cluster.index(0).parent(), cluster);
        assert_eq!(Path::root().parent(), Path::root());
    }
}
