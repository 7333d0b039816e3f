//! `tracing` events as the JSON lines that Terraform reads from a plugin's stderr.
//!
//! Secrets are masked ([`mask`]). Terraform shows the lines if `TF_LOG` asks for it. It parses a line only if its time has exactly six fractional digits; it shows any
//! other line raw, without a level. What it wouldn't show isn't written in the first place.

use std::{
    env, fmt,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use tracing_subscriber::{
    Layer,
    filter::FilterFn,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::level::Levels;
use crate::mask;

mod level;

/// Starts logging to stderr, if the environment asks for it. `address` is the provider's, such as `registry.terraform.io/a/b`.
pub(crate) fn install(address: &str) {
    let name = address.rsplit('/').next().unwrap_or(address);
    // `vars` would panic at what isn't text
    let variables =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let levels = Levels::of(name, variables);
    let most = levels.most();
    if most == LevelFilter::OFF {
        return;
    }
    let wanted = FilterFn::new(move |metadata| levels.want(metadata.target(), *metadata.level()));
    let layer = Hclog::new(io::stderr).with_filter(wanted.with_max_level_hint(most));
    // if the author has set up another subscriber, theirs stays
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// Writes one line an event.
struct Hclog<W> {
    writer: W,
}

impl<W, O> Hclog<W>
where
    W: Fn() -> O + 'static,
    O: Write,
{
    fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// The fields of a span, kept until an event in it is written.
struct SpanFields(Map<String, Value>);

impl<S, W, O> Layer<S> for Hclog<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn() -> O + 'static,
    O: Write,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            let mut fields = Fields::default();
            values.record(&mut fields);
            if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
                known.0.extend(fields.0);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut line = Map::new();
        for span in ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<SpanFields>() {
                line.extend(fields.0.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::String(message)) => message,
            // it must be a string, or Terraform shows the line raw
            Some(other) => other.to_string(),
            None => event.metadata().name().to_owned(),
        };
        line.extend(fields.0);
        let mut line: Map<_, _> =
            line.into_iter().map(|(name, value)| (name.clone(), mask::masked_field(&name, value))).collect();
        let message = mask::masked(&message).into_owned();
        line.insert("@level".to_owned(), level_name(*event.metadata().level()).into());
        line.insert("@message".to_owned(), message.into());
        line.insert("@module".to_owned(), event.metadata().target().replace("::", ".").into());
        line.insert("@timestamp".to_owned(), timestamp(SystemTime::now()).into());
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // a log that can't be written can't be complained about
        let _ = (self.writer)().write_all(text.as_bytes());
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// `2006-01-02T15:04:05.000000Z`, always with six digits.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_micros()
    )
}

/// The date `days` after 1970-01-01. Counts in years that begin in March, so that the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Attr, Path, Secret, Typed};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_with_the_fields_of_its_spans() {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::registry().with(Hclog::new(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("rpc", tf_rpc = "ReadResource", known = tracing::field::Empty);
            let _inside = span.enter();
            span.record("known", 7);
            tracing::warn!(region = %"one\ntwo", n = 3, "looked {}", "twice");
        });
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(line["@level"], "warn");
        assert_eq!(line["@message"], "looked twice");
        assert_eq!(line["@module"], "terraform_plugin.wire.log.tests");
        assert_eq!(line["tf_rpc"], "ReadResource");
        assert_eq!(line["known"], 7);
        assert_eq!(line["region"], "one\ntwo");
        assert_eq!(line["n"], 3);
        let time = line["@timestamp"].as_str().unwrap();
        assert_eq!(time.len(), "2006-01-02T15:04:05.000000Z".len());
    }

    #[test]
    fn no_line_shows_a_secret() {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::registry().with(Hclog::new(move || writer.clone()));
        let secret = Attr::<Secret<String>>::decode(&"log-hunter2-\"x\"".into(), &Path::root()).unwrap();
        let text = secret.known().unwrap().expose().clone();
        mask::field("log_token");
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("rpc", body = %serde_json::json!({ "password": text }), log_token = 7);
            let _inside = span.enter();
            tracing::warn!(given = ?Some(&text), user = "me", "logged in with {text}");
        });
        let line = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(!line.contains("hunter2"), "{line}");
        let line: Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(line["@message"], "logged in with (sensitive value)");
        assert_eq!(line["body"], r#"{"password":"(sensitive value)"}"#);
        assert_eq!(line["given"], r#"Some("(sensitive value)")"#);
        assert_eq!((&line["log_token"], &line["user"]), (&"(sensitive value)".into(), &"me".into()));
    }

    #[test]
    fn times_of_known_days() {
        for (seconds, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 1, "2000-02-28T23:59:59.000001Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_399, 999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
            assert_eq!(timestamp(time), text);
        }
    }
}
