use crate::value::{ObjectType, Refinement, Type, Typed, Value};

use super::{Modifier, Recomputed, ReplaceIf, Sameness, Validator};

/// An attribute of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name: lower case letters, digits and underscores.
    pub name: String,
    /// The type of its value.
    pub ty: Type,
    /// What it means, as Markdown; ends with a period.
    pub description: String,
    /// The user must set it.
    pub required: bool,
    /// The user may set it.
    pub optional: bool,
    /// The provider sets it (if the user does not, where it is optional, too).
    pub computed: bool,
    /// Terraform hides it in its output.
    pub sensitive: bool,
    /// The user may set it, and it is in no plan and no state: only in the configuration.
    pub write_only: bool,
    /// What to use instead, if it isn't to be used any more.
    pub deprecated: Option<String>,
    /// A change of it means to destroy and create anew.
    pub replace: bool,
    /// A change of it may mean to destroy and create anew.
    pub replace_if: Option<ReplaceIf>,
    /// When two values of it mean the same.
    pub same_if: Option<Sameness>,
    /// When it is computed anew.
    pub recomputed: Recomputed,
    /// A last word about its planned value.
    pub modifier: Option<Modifier>,
    /// What is promised of it while it isn't known yet.
    pub promise: Refinement,
    /// The value if the user sets none. Makes the attribute optional and computed.
    pub default: Option<Value>,
    /// What values are allowed.
    pub validators: Vec<Validator>,
    /// What the fields mean, if the value is an object or a collection of objects.
    pub fields: Vec<Field>,
}

/// A field of an object type. Protocol 5 has no descriptions for it; they go into the documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The type of its value.
    pub ty: Type,
    /// What it means, as Markdown; ends with a period.
    pub description: String,
    /// The user may leave it out.
    pub optional: bool,
    /// The fields of its value, if that is an object or a collection of objects.
    pub fields: Vec<Field>,
}

impl Attribute {
    /// An attribute for values of `T`. It still has to be made required, optional or computed.
    pub fn of<T: Typed>(name: &str, description: &str) -> Self {
        Self { fields: T::fields(), sensitive: T::sensitive(), ..Self::new(name, T::ty(), description) }
    }

    /// An attribute of a type. It still has to be made required, optional or computed.
    pub fn new(name: &str, ty: Type, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            ty,
            description: description.to_owned(),
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            write_only: false,
            deprecated: None,
            replace: false,
            replace_if: None,
            same_if: None,
            recomputed: Recomputed::Never,
            modifier: None,
            promise: Refinement::NONE,
            default: None,
            validators: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The user must set it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The user may set it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The provider sets it.
    #[must_use]
    pub fn computed(mut self) -> Self {
        self.computed = true;
        self
    }

    /// Terraform hides it in its output.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// It reaches the provider with the configuration, and is kept nowhere: neither in a plan nor in a state. Known to
    /// Terraform 1.11 and later; with an older one, the user can't set it.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }

    /// Terraform warns who sets it. The message says what to use instead.
    #[must_use]
    pub fn deprecated(mut self, message: &str) -> Self {
        self.deprecated = Some(message.to_owned());
        self
    }

    /// A change of it means to destroy and create anew.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// A change of it means to destroy and create anew if `condition` says so.
    #[must_use]
    pub fn replace_if(mut self, condition: ReplaceIf) -> Self {
        self.replace_if = Some(condition);
        self
    }

    /// A value that means the same as the one before is no change.
    #[must_use]
    pub fn same_if(mut self, sameness: Sameness) -> Self {
        self.same_if = Some(sameness);
        self
    }

    /// When one of `names`, which are beside it, changes, it is computed anew.
    #[must_use]
    pub fn changes_with<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.recomputed = Recomputed::With(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// When anything changes, it is computed anew.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.recomputed = Recomputed::Always;
        self
    }

    /// `modifier` has the last word about the planned value.
    #[must_use]
    pub fn modify(mut self, modifier: Modifier) -> Self {
        self.modifier = Some(modifier);
        self
    }

    /// Promises that the computed value won't be null. Terraform can then decide conditions on it at plan.
    #[must_use]
    pub fn never_null(mut self) -> Self {
        self.promise.null = Some(false);
        self
    }

    /// Promises how the computed text begins. Terraform can then decide conditions on it at plan.
    #[must_use]
    pub fn begins_with(mut self, prefix: &str) -> Self {
        self.promise.null = Some(false);
        self.promise.prefix = Some(prefix.to_owned());
        self
    }

    /// The value while it isn't known yet, with what is promised of it.
    #[must_use]
    pub fn unknown(&self) -> Value {
        Value::refined(self.promise.clone())
    }

    /// The value if the user sets none. Terraform accepts a value that the user did not write only of a computed
    /// attribute, so this makes it optional and computed.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self.optional().computed()
    }

    /// Only values that `validator` allows.
    #[must_use]
    pub fn validated(mut self, validator: Validator) -> Self {
        self.validators.push(validator);
        self
    }

    /// The description with the fields of its objects, for where there is one text for all: editors and
    /// `terraform providers schema`.
    pub fn long_description(&self) -> String {
        let mut text = self.description.clone();
        list(&self.fields, 0, &mut text);
        text
    }
}

impl Field {
    /// A field for values of `T`.
    pub fn of<T: Typed>(name: &str, description: &str, optional: bool) -> Self {
        Self { name: name.to_owned(), ty: T::ty(), description: description.to_owned(), optional, fields: T::fields() }
    }

    /// The object type that `fields` describe.
    pub fn object_type(fields: &[Field]) -> Type {
        Type::Object(ObjectType {
            attributes: fields.iter().map(|field| (field.name.clone(), field.ty.clone())).collect(),
            optional: fields.iter().filter(|field| field.optional).map(|field| field.name.clone()).collect(),
        })
    }
}

fn list(fields: &[Field], depth: usize, text: &mut String) {
    for field in fields {
        if text.ends_with('\n') || depth > 0 {
            text.push('\n');
        } else {
            text.push_str(if text.contains("\n- ") { "\n" } else { "\n\n" });
        }
        let indent = "  ".repeat(depth);
        let description = field.description.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{indent}- `{}` ({}) {description}", field.name, field.ty));
        list(&field.fields, depth + 1, text);
    }
}
