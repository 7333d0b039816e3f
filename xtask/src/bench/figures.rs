//! Figures side by side, with what they should be.

use std::fmt;

/// The most that a figure should be.
#[derive(Clone, Copy, Debug)]
pub struct Aim(pub f64);

/// Two columns of figures.
pub struct Table {
    title: &'static str,
    columns: [&'static str; 2],
    rows: Vec<Row>,
}

struct Row {
    what: String,
    figures: [Option<f64>; 2],
    aim: Option<Aim>,
}

impl Table {
    pub fn new(title: &'static str, columns: &[&'static str; 2]) -> Self {
        Self { title, columns: *columns, rows: Vec::new() }
    }

    /// Adds a row; a figure that could not be had is shown as such.
    pub fn row(&mut self, what: impl Into<String>, figures: [Option<f64>; 2], aim: Option<Aim>) {
        self.rows.push(Row { what: what.into(), figures, aim });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.columns;
        writeln!(f, "{:40} {first:>10} {second:>10} {:>8}", self.title, "aim")?;
        for Row { what, figures, aim } in &self.rows {
            write!(f, "{what:40}")?;
            for figure in figures {
                match figure {
                    Some(figure) => write!(f, " {figure:>10.2}")?,
                    None => write!(f, " {:>10}", "?")?,
                }
            }
            if let Some(Aim(most)) = aim {
                write!(f, " {:>8}", format!("≤ {most}"))?;
                // what wasn't measured was not reached either
                if figures.iter().any(|figure| figure.is_none_or(|figure| figure > *most)) {
                    write!(f, "  missed")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The value in the middle.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misses_its_aim_says_so() {
        let mut table = Table::new("ms", &["a", "b"]);
        table.row("fast", [Some(1.0), Some(2.0)], Some(Aim(2.0)));
        table.row("slow", [Some(1.0), Some(2.1)], Some(Aim(2.0)));
        table.row("gone", [None, Some(1.0)], Some(Aim(2.0)));
        table.row("free", [Some(9.0), Some(9.0)], None);
        let missed: Vec<_> = table.to_string().lines().map(|line| line.ends_with("missed")).collect();
        assert_eq!(missed, [false, false, true, true, false]);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
