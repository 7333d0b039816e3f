//! `setup`: what the drill needs is installed and built once, and kept under `target/drill`.

pub mod base_images;
pub mod images;
pub mod needs;
pub mod programs;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::place::Place;

/// Provides everything. The second call finds it done.
///
/// # Errors
/// Something is missing that the user has to provide, or a build fails.
pub async fn provide(place: &Place) -> Result<()> {
    needs::provide().await?;
    images::check()?;
    let bar = ProgressBar::new(1);
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg:24} [{bar:40}] {percent:>3} %  {elapsed}")?.progress_chars("=> "),
    );
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let done = async {
        programs::build(place, &bar).await?;
        images::build(place, &bar).await?;
        images::simulated(place, &bar).await
    };
    let done = done.await;
    bar.finish_and_clear();
    done?;
    base_images::build(place).await
}
