use crate::value::{ObjectType, Type, Typed, Value};

use super::Validator;

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
    /// A change of it means to destroy and create anew.
    pub replace: bool,
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
            replace: false,
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

    /// A change of it means to destroy and create anew.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
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
