/// Why something has to wait for a later run. Only a Terraform that plans in several rounds allows it (stacks, or
/// `-allow-deferral` of experimental versions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deferred {
    /// Something in the configuration of the thing isn't known yet.
    ResourceConfigUnknown,
    /// Something in the configuration of the provider isn't known yet.
    ProviderConfigUnknown,
    /// Something that the thing needs isn't there yet.
    AbsentPrerequisite,
}

impl Deferred {
    /// For those whose Terraform doesn't let it wait.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::ResourceConfigUnknown => "Configuration isn't known yet",
            Self::ProviderConfigUnknown => "Configuration of the provider isn't known yet",
            Self::AbsentPrerequisite => "Something is missing",
        }
    }
}
