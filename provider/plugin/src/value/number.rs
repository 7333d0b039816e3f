use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, ToPrimitive as _, Zero as _};

/// An exact decimal number of any size.
///
/// Terraform computes with 512-bit floats and compares numerically, so that `1`, `1.0` and `1e0` are one
/// number, and sends what neither an `i64` nor a `f64` holds exactly as decimal text. A provider that keeps
/// numbers as `f64` changes them on the way back, and Terraform calls that an invalid plan.
///
/// ```
/// use terraform_plugin::value::Number;
/// let one: Number = "1.0".parse()?;
/// assert_eq!(one, Number::from(1));
/// assert_eq!(one.as_i64(), Some(1));
/// assert_eq!("18446744073709551617".parse::<Number>()?.to_string(), "18446744073709551617");
/// # Ok::<(), terraform_plugin::value::NumberError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Form);

/// One form for each number, so that equal numbers are equal forms.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// `digits / 10^scale`, whose last digit is not 0 unless the scale is. Nearly all numbers.
    Small { digits: i64, scale: u8 },
    /// Whatever does not fit there, normalised.
    Large(Box<BigDecimal>),
}

/// The greatest scale of a small number: two of them then compare within 128 bits.
const MAX_SCALE: u8 = 18;

/// Text that is no number, or one whose size is beyond all reason (a guard against hostile exponents).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Neither digits, nor digits with a fraction or an exponent.
    #[error("not a decimal number")]
    Syntax,
    /// More than 4096 digits, written or implied by the exponent. (Terraform itself computes with about 150.)
    #[error("a number of more than {MAX_DIGITS} digits")]
    TooLarge,
    /// A float that is infinite or not a number.
    #[error("not a finite number")]
    NotFinite,
}

const MAX_DIGITS: usize = 4096;

/// How a number travels in MessagePack: the smallest form that is exact.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wire {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Number {
    /// The value as `i64`, or `None` if it has a fraction or does not fit.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Form::Small { digits, scale: 0 } => Some(digits),
            _ => None,
        }
    }

    /// The nearest `f64`.
    pub fn as_f64(&self) -> f64 {
        match self.0 {
            Form::Small { digits, scale: 0 } => digits as f64,
            _ => self.decimal().to_f64().unwrap_or(f64::NAN),
        }
    }

    /// Whether the number has no fraction.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Form::Small { scale, .. } => *scale == 0,
            Form::Large(decimal) => decimal.is_integer(),
        }
    }

    /// The form that Terraform itself would send: an `i64` if it fits, a `f64` if that is exact, else text.
    pub(super) fn wire(&self) -> Wire {
        match self.0 {
            Form::Small { digits, scale: 0 } => Wire::Int(digits),
            Form::Small { digits, scale } => match binary_fraction(digits, scale) {
                Some(float) => Wire::Float(float),
                None => Wire::Text(self.to_string()),
            },
            Form::Large(_) => {
                if !self.is_integer() {
                    let float = self.as_f64();
                    if Number::try_from(float).is_ok_and(|back| back == *self) {
                        return Wire::Float(float);
                    }
                }
                Wire::Text(self.to_string())
            }
        }
    }

    fn decimal(&self) -> Cow<'_, BigDecimal> {
        match &self.0 {
            Form::Small { digits, scale } => Cow::Owned(BigDecimal::new((*digits).into(), i64::from(*scale))),
            Form::Large(decimal) => Cow::Borrowed(decimal),
        }
    }

    /// `digits / 10^scale`; the scale is at most [`MAX_SCALE`].
    fn small(mut digits: i64, mut scale: u8) -> Self {
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Self(Form::Small { digits, scale })
    }

    fn checked(number: BigDecimal) -> Result<Self, NumberError> {
        let number = number.normalized();
        // what is written out in full can be read again
        let (digits, scale) = (number.digits(), number.fractional_digit_count());
        let whole = u64::try_from(-scale).unwrap_or(0).saturating_add(digits);
        let written = whole.max(u64::try_from(scale).unwrap_or(0));
        if written > MAX_DIGITS as u64 {
            return Err(NumberError::TooLarge);
        }
        let (digits, scale) =
            if scale <= 0 { (number.to_i64(), 0) } else { (number.as_bigint_and_scale().0.to_i64(), scale) };
        match (digits, u8::try_from(scale)) {
            (Some(digits), Ok(scale @ ..=MAX_SCALE)) => Ok(Self(Form::Small { digits, scale })),
            _ => Ok(Self(Form::Large(Box::new(number)))),
        }
    }
}

/// `digits / 10^scale` as the float that is exactly this, if it has at most 53 bits.
fn binary_fraction(digits: i64, scale: u8) -> Option<f64> {
    let fives = 5_i64.pow(scale.into());
    let bits = digits / fives;
    (digits % fives == 0 && bits.unsigned_abs() < 1 << f64::MANTISSA_DIGITS)
        .then(|| bits as f64 / (1_u64 << scale) as f64)
}

/// The inverse, for floats that are a small number.
fn of_binary_fraction(float: f64) -> Option<Form> {
    let scaled = float * (1_u64 << MAX_SCALE) as f64;
    let bits = scaled as i64;
    if bits.unsigned_abs() >= 1 << f64::MANTISSA_DIGITS || bits as f64 != scaled {
        return None;
    }
    let whole = bits.trailing_zeros().min(MAX_SCALE.into());
    let scale = MAX_SCALE - whole as u8;
    Some(Form::Small { digits: (bits >> whole).checked_mul(5_i64.pow(scale.into()))?, scale })
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Small { digits, scale }, Form::Small { digits: digits_too, scale: scale_too }) => {
                let widened = |digits: i64, scale: u8| i128::from(digits) * 10_i128.pow(u32::from(MAX_SCALE - scale));
                widened(*digits, *scale).cmp(&widened(*digits_too, *scale_too))
            }
            _ => self.decimal().cmp(&other.decimal()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        // a sign, and `0.` before the digits
        if text.len() > MAX_DIGITS + 3 {
            return Err(NumberError::TooLarge);
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(w, f)| (w, Some(f)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(NumberError::Syntax);
        }
        let exponent = match exponent {
            None => 0,
            Some(e) if digits(e.strip_prefix(['-', '+']).unwrap_or(e)) => {
                e.parse::<i64>().map_err(|_| NumberError::TooLarge)?
            }
            Some(_) => return Err(NumberError::Syntax),
        };
        let fraction = fraction.unwrap_or_default();
        if exponent == 0
            && let Ok(scale @ ..=MAX_SCALE) = u8::try_from(fraction.len())
            && let Some(digits) = short(mantissa.starts_with('-'), whole, fraction)
        {
            return Ok(Self::small(digits, scale));
        }
        let mut number = BigInt::from_str(&format!("{whole}{fraction}")).map_err(|_| NumberError::Syntax)?;
        if number.is_zero() {
            return Ok(Self::from(0));
        }
        if mantissa.starts_with('-') {
            number = -number;
        }
        let scale = (fraction.len() as i64).checked_sub(exponent).ok_or(NumberError::TooLarge)?;
        if scale.unsigned_abs() > 2 * MAX_DIGITS as u64 {
            return Err(NumberError::TooLarge);
        }
        Self::checked(BigDecimal::new(number, scale))
    }
}

/// The number that some digits make, if it fits.
fn short(negative: bool, whole: &str, fraction: &str) -> Option<i64> {
    whole.bytes().chain(fraction.bytes()).try_fold(0_i64, |digits, digit| {
        let digit = i64::from(digit - b'0');
        let digits = digits.checked_mul(10)?;
        if negative { digits.checked_sub(digit) } else { digits.checked_add(digit) }
    })
}

impl TryFrom<f64> for Number {
    type Error = NumberError;

    /// The exact value of the float: `0.1_f64` is not the decimal `0.1`.
    fn try_from(float: f64) -> Result<Self, NumberError> {
        if let Some(form) = of_binary_fraction(float) {
            return Ok(Self(form));
        }
        Self::checked(BigDecimal::try_from(float).map_err(|_| NumberError::NotFinite)?)
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Self {
        Self::small(int, 0)
    }
}

impl From<i32> for Number {
    fn from(int: i32) -> Self {
        Self::from(i64::from(int))
    }
}

impl From<u32> for Number {
    fn from(int: u32) -> Self {
        Self::from(i64::from(int))
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Self {
        match i64::try_from(int) {
            Ok(int) => Self::from(int),
            Err(_) => Self(Form::Large(Box::new(BigDecimal::from(int).normalized()))),
        }
    }
}

/// Plain decimal digits, never an exponent.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Small { digits, scale: 0 } => write!(f, "{digits}"),
            Form::Small { digits, scale } => {
                let one = 10_u64.pow((*scale).into());
                let sign = if *digits < 0 { "-" } else { "" };
                let (whole, fraction) = (digits.unsigned_abs() / one, digits.unsigned_abs() % one);
                write!(f, "{sign}{whole}.{fraction:0width$}", width = usize::from(*scale))
            }
            Form::Large(decimal) => f.write_str(&decimal.to_plain_string()),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Wire::Int(0))]
    #[case("-0.000", Wire::Int(0))]
    #[case("1.0", Wire::Int(1))]
    #[case("1e3", Wire::Int(1000))]
    #[case("-9223372036854775808", Wire::Int(i64::MIN))]
    #[case("9223372036854775808", Wire::Text("9223372036854775808".into()))]
    #[case("18446744073709551617", Wire::Text("18446744073709551617".into()))]
    #[case("1.5", Wire::Float(1.5))]
    #[case("-0.5", Wire::Float(-0.5))]
    #[case("0.1", Wire::Text("0.1".into()))]
    #[case("12.50", Wire::Float(12.5))]
    fn smallest_exact_form(#[case] text: &str, #[case] wire: Wire) {
        assert_eq!(text.parse::<Number>().unwrap().wire(), wire);
    }

    #[test]
    fn a_googol_keeps_its_101_digits() {
        let googol: Number = "1e100".parse().unwrap();
        let Wire::Text(text) = googol.wire() else { panic!("not text") };
        assert_eq!(text.len(), 101);
        assert_eq!(text.parse::<Number>().unwrap(), googol);
    }

    #[test]
    fn the_largest_and_the_smallest_can_be_read_again() {
        for text in ["9".repeat(MAX_DIGITS), format!("-{}", "9".repeat(MAX_DIGITS)), format!("1e{}", MAX_DIGITS - 1)] {
            let number: Number = text.parse().unwrap();
            assert_eq!(number.to_string().parse::<Number>().unwrap(), number);
            let small: Number = format!("1e-{MAX_DIGITS}").parse().unwrap();
            assert_eq!(small.to_string().parse::<Number>().unwrap(), small);
        }
        for text in ["9".repeat(MAX_DIGITS + 1), format!("1e{MAX_DIGITS}"), format!("1e-{}", MAX_DIGITS + 1)] {
            assert_eq!(text.parse::<Number>().unwrap_err(), NumberError::TooLarge, "{text}");
        }
    }

    #[test]
    fn equality_is_numeric() {
        let parse = |text: &str| text.parse::<Number>().unwrap();
        assert_eq!(parse("1"), parse("1.000"));
        assert_eq!(parse("10"), parse("1e1"));
        assert!(parse("-2") < parse("1.5"));
        assert_ne!(parse("0.1"), Number::try_from(0.1).unwrap());
        assert_eq!(parse("0.5"), Number::try_from(0.5).unwrap());
    }

    #[rstest]
    #[case("", NumberError::Syntax)]
    #[case("-", NumberError::Syntax)]
    #[case(".5", NumberError::Syntax)]
    #[case("1.", NumberError::Syntax)]
    #[case("1_000", NumberError::Syntax)]
    #[case("0x10", NumberError::Syntax)]
    #[case("NaN", NumberError::Syntax)]
    #[case("1e", NumberError::Syntax)]
    #[case("1e999999999", NumberError::TooLarge)]
    #[case("1e-99999999999999999999", NumberError::TooLarge)]
    #[case("1e9223372036854775807", NumberError::TooLarge)]
    #[case("1e-9223372036854775808", NumberError::TooLarge)]
    fn refused(#[case] text: &str, #[case] error: NumberError) {
        assert_eq!(text.parse::<Number>().unwrap_err(), error);
    }

    #[rstest]
    #[case("9223372036854775807")]
    #[case("-9223372036854775808")]
    #[case("9.223372036854775807")]
    #[case("-0.000000000000000001")]
    #[case("0.0000000000000000001")]
    #[case("92233720368547758.08")]
    #[case("10.05")]
    #[case("-0.5")]
    fn one_form_for_each_number(#[case] text: &str) {
        let number: Number = text.parse().unwrap();
        assert_eq!(number.to_string(), text);
        let decimal: BigDecimal = text.parse().unwrap();
        assert_eq!(Number::checked(decimal.clone()).unwrap(), number);
        assert_eq!(Number::checked(decimal.with_scale(30)).unwrap(), number);
        assert_eq!(*number.decimal(), decimal);
        assert_eq!(number.as_f64().to_bits(), text.parse::<f64>().unwrap().to_bits());
    }

    #[rstest]
    #[case(0.0)]
    #[case(-0.0)]
    #[case(-0.5)]
    #[case(12.25)]
    #[case(1e15)]
    #[case(1e300)]
    #[case(0.1)]
    #[case(f64::MIN_POSITIVE)]
    #[case(262_143.999_996_185_3)]
    #[case(-9_007_199_254_740_993.0)]
    fn the_exact_value_of_a_float(#[case] float: f64) {
        let exact = BigDecimal::try_from(float).unwrap();
        assert_eq!(*Number::try_from(float).unwrap().decimal(), exact);
        assert_eq!(Number::try_from(float).unwrap(), Number::checked(exact).unwrap());
    }

    #[test]
    fn small_and_large_numbers_are_in_order() {
        let ordered = [
            "-1e30",
            "-9223372036854775809",
            "-9223372036854775808",
            "-0.5",
            "-1e-19",
            "0",
            "1e-18",
            "0.1",
            "0.10000000000000000001",
            "1",
            "9.223372036854775807",
            "9.223372036854775808",
            "9223372036854775807",
            "1e19",
        ];
        let numbers: Vec<Number> = ordered.iter().map(|text| text.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn not_finite() {
        assert_eq!(Number::try_from(f64::NAN).unwrap_err(), NumberError::NotFinite);
        assert_eq!(Number::try_from(f64::INFINITY).unwrap_err(), NumberError::NotFinite);
    }
}
