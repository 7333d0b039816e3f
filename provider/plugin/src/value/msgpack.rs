//! MessagePack, as Terraform sends and expects values (provider-protocol.md 3.1).
//!
//! Unknown is an extension; a refined one tells more about itself. A number is an int, else an exact float, else
//! decimal text. A value of any type is a pair of its type (as JSON) and itself.

use std::collections::BTreeMap;

use rmp::Marker;
use rmp::encode;

use super::codec::{Budget, CodecError, MAX_BYTES, Problem, Trail, nfc};
use super::number::Wire;
use super::{Number, ObjectType, Path, Type, Value};

mod refined;

/// Reads a value of type `ty`. The bytes must hold it and nothing more.
pub fn decode(ty: &Type, bytes: &[u8]) -> Result<Value, CodecError> {
    let root = Trail::Root;
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::new(root.path(), Problem::TooLarge));
    }
    let mut reader = Reader { bytes, budget: Budget::default() };
    let value = reader.value(ty, &root, 0)?;
    match reader.bytes.len() {
        0 => Ok(value),
        rest => Err(CodecError::new(root.path(), Problem::Trailing(rest))),
    }
}

/// Writes a value of type `ty`.
pub fn encode(ty: &Type, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    write(&mut bytes, ty, value, &Trail::Root, 0)?;
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::new(Path::root(), Problem::TooLarge));
    }
    Ok(bytes)
}

// === Reader ===

struct Reader<'a> {
    bytes: &'a [u8],
    budget: Budget,
}

/// The first byte of a value, and the length or number that belongs to it.
enum Token<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
    Extension(i8, &'a [u8]),
}

impl Token<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Unsigned(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Binary(_) => "bytes",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Extension(..) => "an unknown value",
        }
    }
}

type Result<T, E = CodecError> = std::result::Result<T, E>;

impl<'a> Reader<'a> {
    fn value(&mut self, ty: &Type, path: &Trail<'_>, depth: usize) -> Result<Value> {
        self.budget.spend(path, depth)?;
        let token = self.token().map_err(|problem| CodecError::new(path.path(), problem))?;
        let fail = |problem: Problem| CodecError::new(path.path(), problem);
        match (ty, token) {
            (_, Token::Nil) => Ok(Value::Null),
            (_, Token::Extension(refined::CODE, body)) => Ok(Value::refined(refined::read(body))),
            (_, Token::Extension(..)) => Ok(Value::unknown()),
            (Type::Bool, Token::Bool(truth)) => Ok(Value::Bool(truth)),
            (Type::String, Token::Text(text)) => Ok(Value::String(utf8(text).map_err(fail)?)),
            (Type::Number, token) => number(&token).map(Value::Number).map_err(fail),
            (Type::List(element), Token::Array(count)) => {
                self.elements(count, |_| Some(element), path, depth).map(Value::List)
            }
            (Type::Set(element), Token::Array(count)) => {
                self.elements(count, |_| Some(element), path, depth).map(Value::set)
            }
            (Type::Tuple(elements), Token::Array(count)) => {
                if count != elements.len() {
                    return Err(fail(Problem::Length { expected: elements.len(), found: count }));
                }
                self.elements(count, |index| elements.get(index), path, depth).map(Value::Tuple)
            }
            (Type::Map(element), Token::Map(count)) => self.map(element, count, path, depth),
            (Type::Object(object), Token::Map(count)) => self.object(object, count, path, depth),
            (Type::Dynamic, Token::Array(2)) => self.dynamic(path, depth),
            (Type::Dynamic, Token::Array(found)) => Err(fail(Problem::Length { expected: 2, found })),
            (ty, token) => Err(fail(Problem::Mismatch { expected: expected(ty), found: token.kind() })),
        }
    }

    fn elements<'t>(
        &mut self,
        count: usize,
        ty: impl Fn(usize) -> Option<&'t Type>,
        path: &Trail<'_>,
        depth: usize,
    ) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for index in 0..count {
            let Some(ty) = ty(index) else { break };
            values.push(self.value(ty, &path.index(index), depth + 1)?);
        }
        Ok(values)
    }

    fn map(&mut self, element: &Type, count: usize, path: &Trail<'_>, depth: usize) -> Result<Value> {
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let key = self.key(path)?;
            let value = self.value(element, &path.key(&key), depth + 1)?;
            values.insert(key, value);
        }
        Ok(Value::Map(values))
    }

    fn object(&mut self, object: &ObjectType, count: usize, path: &Trail<'_>, depth: usize) -> Result<Value> {
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let name = self.key(path)?;
            let Some(ty) = object.attributes.get(&name) else {
                return Err(CodecError::new(path.path(), Problem::Unexpected(name)));
            };
            let value = self.value(ty, &path.attr(&name), depth + 1)?;
            values.insert(name, value);
        }
        complete(object, values, path)
    }

    fn dynamic(&mut self, path: &Trail<'_>, depth: usize) -> Result<Value> {
        let fail = |problem: Problem| CodecError::new(path.path(), problem);
        let json = match self.token().map_err(fail)? {
            Token::Binary(json) | Token::Text(json) => json,
            token => return Err(fail(Problem::Mismatch { expected: "a type", found: token.kind() })),
        };
        let ty = Type::from_json_bytes(json).map_err(|error| fail(error.problem))?;
        let value = self.value(&ty, path, depth + 1)?;
        Ok(Value::Dynamic(Box::new(ty), Box::new(value)))
    }

    fn key(&mut self, path: &Trail<'_>) -> Result<String> {
        let fail = |problem: Problem| CodecError::new(path.path(), problem);
        match self.token().map_err(fail)? {
            Token::Text(text) => utf8(text).map_err(fail),
            token => Err(fail(Problem::Mismatch { expected: "a text key", found: token.kind() })),
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Problem> {
        let [first] = self.array()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(int) => Token::Int(int.into()),
            Marker::FixNeg(int) => Token::Int(int.into()),
            Marker::U8 => Token::Int(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Token::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Token::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            Marker::I8 => Token::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Token::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Token::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Token::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => Token::Text(self.take(length.into())?),
            Marker::Str8 => Token::Text(self.take_counted::<1>()?),
            Marker::Str16 => Token::Text(self.take_counted::<2>()?),
            Marker::Str32 => Token::Text(self.take_counted::<4>()?),
            Marker::Bin8 => Token::Binary(self.take_counted::<1>()?),
            Marker::Bin16 => Token::Binary(self.take_counted::<2>()?),
            Marker::Bin32 => Token::Binary(self.take_counted::<4>()?),
            Marker::FixArray(count) => Token::Array(count.into()),
            Marker::Array16 => Token::Array(self.count::<2>()?),
            Marker::Array32 => Token::Array(self.count::<4>()?),
            Marker::FixMap(count) => Token::Map(count.into()),
            Marker::Map16 => Token::Map(self.count::<2>()?),
            Marker::Map32 => Token::Map(self.count::<4>()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.counted_extension::<1>()?,
            Marker::Ext16 => self.counted_extension::<2>()?,
            Marker::Ext32 => self.counted_extension::<4>()?,
            Marker::Reserved => return Err(Problem::Mismatch { expected: "a value", found: "a reserved byte" }),
        })
    }

    fn counted_extension<const N: usize>(&mut self) -> Result<Token<'a>, Problem> {
        let length = self.count::<N>()?;
        self.extension(length)
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, Problem> {
        let code = i8::from_be_bytes(self.array()?);
        Ok(Token::Extension(code, self.take(length)?))
    }

    fn take_counted<const N: usize>(&mut self) -> Result<&'a [u8], Problem> {
        let length = self.count::<N>()?;
        self.take(length)
    }

    /// A length of `N` bytes. Nothing is allocated by it: what it claims has to be there.
    fn count<const N: usize>(&mut self) -> Result<usize, Problem> {
        let bytes: [u8; N] = self.array()?;
        Ok(bytes.iter().fold(0, |count, byte| count << 8 | usize::from(*byte)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Problem::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or(Problem::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Problem> {
    std::str::from_utf8(bytes).map(|text| nfc(text).into_owned()).map_err(|_| Problem::Utf8)
}

fn number(token: &Token<'_>) -> Result<Number, Problem> {
    match token {
        Token::Int(int) => Ok((*int).into()),
        Token::Unsigned(int) => Ok((*int).into()),
        Token::Float(float) => Ok(Number::try_from(*float)?),
        Token::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| Problem::Utf8)?;
            Ok(text.parse::<Number>()?)
        }
        token => Err(Problem::Mismatch { expected: "a number", found: token.kind() }),
    }
}

/// Adds the optional attributes that are missing; every other one must be there.
fn complete(object: &ObjectType, mut values: BTreeMap<String, Value>, path: &Trail<'_>) -> Result<Value> {
    // nearly always; each one that is there is in the type
    if values.len() == object.attributes.len() {
        return Ok(Value::Object(values));
    }
    for name in object.attributes.keys().filter(|name| !values.contains_key(*name)).cloned().collect::<Vec<_>>() {
        if !object.optional.contains(&name) {
            return Err(CodecError::new(path.path(), Problem::Missing(name)));
        }
        values.insert(name, Value::Null);
    }
    Ok(Value::Object(values))
}

pub(super) fn expected(ty: &Type) -> &'static str {
    match ty {
        Type::String => "a string",
        Type::Number => "a number",
        Type::Bool => "a bool",
        Type::Dynamic => "a value of any type",
        Type::List(_) => "a list",
        Type::Set(_) => "a set",
        Type::Map(_) => "a map",
        Type::Object(_) => "an object",
        Type::Tuple(_) => "a tuple",
    }
}

// === Writer ===

fn write(bytes: &mut Vec<u8>, ty: &Type, value: &Value, path: &Trail<'_>, depth: usize) -> Result<()> {
    let fail = |problem: Problem| CodecError::new(path.path(), problem);
    Budget::default().spend(path, depth)?;
    match (ty, value) {
        (_, Value::Null) => put(encode::write_nil(bytes)),
        (_, Value::Unknown(None)) => {
            bytes.extend(refined::PLAIN);
            Ok(())
        }
        (ty, Value::Unknown(Some(refinement))) => refined::write(bytes, &refinement.of_type(ty)),
        (Type::Bool, Value::Bool(truth)) => put(encode::write_bool(bytes, *truth)),
        (Type::String, Value::String(text)) => put(encode::write_str(bytes, &nfc(text))),
        (Type::Number, Value::Number(number)) => write_number(bytes, number),
        (Type::List(element), Value::List(values)) | (Type::Set(element), Value::Set(values)) => {
            put(encode::write_array_len(bytes, length(values.len(), path)?))?;
            for (index, value) in values.iter().enumerate() {
                write(bytes, element, value, &path.index(index), depth + 1)?;
            }
            Ok(())
        }
        (Type::Tuple(elements), Value::Tuple(values)) => {
            if elements.len() != values.len() {
                return Err(fail(Problem::Length { expected: elements.len(), found: values.len() }));
            }
            put(encode::write_array_len(bytes, length(values.len(), path)?))?;
            for (index, (ty, value)) in elements.iter().zip(values).enumerate() {
                write(bytes, ty, value, &path.index(index), depth + 1)?;
            }
            Ok(())
        }
        (Type::Map(element), Value::Map(values)) => {
            put(encode::write_map_len(bytes, length(values.len(), path)?))?;
            for (key, value) in values {
                put(encode::write_str(bytes, &nfc(key)))?;
                write(bytes, element, value, &path.key(key), depth + 1)?;
            }
            Ok(())
        }
        (Type::Object(object), Value::Object(values)) => {
            if let Some(name) = values.keys().find(|name| !object.attributes.contains_key(*name)) {
                return Err(fail(Problem::Unexpected(name.clone())));
            }
            put(encode::write_map_len(bytes, length(object.attributes.len(), path)?))?;
            for (name, ty) in &object.attributes {
                let value = match values.get(name) {
                    Some(value) => value,
                    None if object.optional.contains(name) => &Value::Null,
                    None => return Err(fail(Problem::Missing(name.clone()))),
                };
                put(encode::write_str(bytes, name))?;
                write(bytes, ty, value, &path.attr(name), depth + 1)?;
            }
            Ok(())
        }
        (Type::Dynamic, Value::Dynamic(ty, value)) => {
            put(encode::write_array_len(bytes, 2))?;
            put(encode::write_bin(bytes, &ty.to_json_bytes()))?;
            write(bytes, ty, value, path, depth + 1)
        }
        (ty, value) => Err(fail(Problem::Mismatch { expected: expected(ty), found: value.kind() })),
    }
}

fn write_number(bytes: &mut Vec<u8>, number: &Number) -> Result<()> {
    match number.wire() {
        Wire::Int(int) => put(encode::write_sint(bytes, int)),
        Wire::Float(float) => put(encode::write_f64(bytes, float)),
        Wire::Text(text) => put(encode::write_str(bytes, &text)),
    }
}

fn length(count: usize, path: &Trail<'_>) -> Result<u32> {
    u32::try_from(count).map_err(|_| CodecError::new(path.path(), Problem::TooLarge))
}

/// Writing to memory does not fail.
fn put<T, E>(written: std::result::Result<T, E>) -> Result<()> {
    written.map(drop).map_err(|_| CodecError::new(Path::root(), Problem::TooLarge))
}

#[cfg(test)]
mod tests;
