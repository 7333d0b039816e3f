//! Pure functions: what they are called with, and what comes of it.

use std::{collections::HashMap, sync::LazyLock};

use super::{convert, service::Service};
use crate::{
    Fault, Function, FunctionFault, Path, Provider, Signature, Typed, Value,
    proto::tfplugin5::{self as proto, call_function},
    resource::Parameter,
    value::{json, msgpack},
};

/// A [`Function`] of any type.
pub(crate) trait ErasedFunction: Send + Sync {
    fn signature(&self) -> &Signature;
    /// `arguments` has an attribute for each parameter.
    fn call(&self, arguments: &Value) -> Result<Value, FunctionFault>;
}

pub(crate) struct RegisteredFunction<F> {
    inner: F,
    signature: LazyLock<Signature>,
}

impl<F: Function> RegisteredFunction<F> {
    pub(crate) fn new(inner: F) -> Self {
        Self { inner, signature: LazyLock::new(Signature::of::<F>) }
    }
}

impl<F: Function> ErasedFunction for RegisteredFunction<F> {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn call(&self, arguments: &Value) -> Result<Value, FunctionFault> {
        Ok(self.inner.call(F::Arguments::decode(arguments, &Path::root())?)?.encode())
    }
}

impl<P: Provider> Service<P> {
    pub(super) fn functions(&self) -> HashMap<String, proto::Function> {
        let all = self.server.functions.iter();
        all.map(|(name, one)| ((*name).to_owned(), message(one.signature()))).collect()
    }

    pub(super) async fn answer_call_function(&self, request: call_function::Request) -> call_function::Response {
        let called = self
            .work("CallFunction", &request.name, async {
                let Some(function) = self.server.functions.get(request.name.as_str()) else {
                    return Ok(Err(FunctionFault::new(format!(
                        "this version of the provider has no function `{}`",
                        request.name
                    ))));
                };
                let signature = function.signature();
                let result = arguments(signature, &request.arguments).and_then(|arguments| match arguments {
                    Some(arguments) => function.call(&arguments),
                    None => Ok(Value::unknown()),
                });
                Ok(match result {
                    Ok(value) => Ok(convert::dynamic(&signature.returns, &value)?),
                    Err(fault) => Err(placed(signature, fault)),
                })
            })
            .await;
        let fault = match called {
            Ok(Ok(result)) => return call_function::Response { result: Some(result), error: None },
            Ok(Err(fault)) => fault,
            Err(fault) => FunctionFault::new(one_line(&fault)),
        };
        let position = match fault.path.steps() {
            [crate::value::Step::Index(index)] => i64::try_from(*index).ok(),
            _ => None,
        };
        let error = proto::FunctionError { text: fault.text, function_argument: position };
        call_function::Response { result: None, error: Some(error) }
    }
}

/// One attribute for each parameter, or nothing if what isn't known can't be given to the function.
fn arguments(signature: &Signature, given: &[proto::DynamicValue]) -> Result<Option<Value>, FunctionFault> {
    let fixed = signature.parameters.len();
    if given.len() < fixed || (given.len() > fixed && signature.variadic.is_none()) {
        return Err(FunctionFault::new(format!("takes {}, got {}", arity(signature), given.len())));
    }
    let mut values = Vec::with_capacity(given.len());
    for (position, argument) in given.iter().enumerate() {
        let Some(parameter) = signature.parameter(position) else { continue };
        let here = || match position.checked_sub(fixed) {
            Some(index) => Path::root().attr(parameter.name.clone()).index(index),
            None => Path::root().attr(parameter.name.clone()),
        };
        let decoded = match (argument.msgpack.is_empty(), argument.json.is_empty()) {
            (false, _) => msgpack::decode(&parameter.ty, &argument.msgpack),
            (true, false) => json::decode(&parameter.ty, &argument.json),
            (true, true) => Ok(Value::Null),
        };
        let value = decoded.map_err(|error| FunctionFault::at(here(), error.to_string()))?;
        if value.is_null() && !parameter.nullable {
            return Err(FunctionFault::at(here(), "must not be null"));
        }
        if !value.is_wholly_known() && !parameter.unknown {
            return Ok(None);
        }
        values.push(value);
    }
    let rest = values.split_off(fixed);
    let names = signature.parameters.iter().map(|one| one.name.clone());
    let rest = signature.variadic.iter().map(|one| (one.name.clone(), Value::List(rest.clone())));
    Ok(Some(Value::object(names.zip(values).chain(rest))))
}

/// How many arguments a function takes.
fn arity(signature: &Signature) -> String {
    let least = if signature.variadic.is_some() { "at least " } else { "" };
    match signature.parameters.len() {
        0 => "no arguments".to_owned(),
        1 => format!("{least}1 argument"),
        more => format!("{least}{more} arguments"),
    }
}

/// The fault with the argument's position for a path, and the place within the argument in the text.
fn placed(signature: &Signature, fault: FunctionFault) -> FunctionFault {
    let (position, within) = signature.position(&fault.path);
    let text = if within.is_root() { fault.text } else { format!("{within}: {}", fault.text) };
    FunctionFault { text, path: position.map_or_else(Path::root, |position| Path::root().index(position)) }
}

fn one_line(fault: &Fault) -> String {
    fault.diagnostics.iter().map(|one| format!("{}: {}", one.summary, one.detail)).collect::<Vec<_>>().join(" ")
}

fn message(signature: &Signature) -> proto::Function {
    proto::Function {
        parameters: signature.parameters.iter().map(parameter).collect(),
        variadic_parameter: signature.variadic.as_ref().map(parameter),
        r#return: Some(proto::function::Return { r#type: signature.returns.to_json_bytes() }),
        summary: signature.summary.clone(),
        description: signature.description.clone(),
        description_kind: proto::StringKind::Markdown.into(),
        deprecation_message: String::new(),
    }
}

fn parameter(parameter: &Parameter) -> proto::function::Parameter {
    proto::function::Parameter {
        name: parameter.name.clone(),
        r#type: parameter.ty.to_json_bytes(),
        allow_null_value: parameter.nullable,
        allow_unknown_values: parameter.unknown,
        description: parameter.description.clone(),
        description_kind: proto::StringKind::Markdown.into(),
    }
}
