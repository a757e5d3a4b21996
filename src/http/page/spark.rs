//! A sparkline: how many messages came in each half hour of a day, as bars.

use maud::{Markup, html};

use super::text::{count, number};

const HEIGHT: u64 = 28;
/// Of a bar with the gap behind it.
const STEP: usize = 5;

/// `id` is that of the graphic; `values` are the half hours, the newest last.
pub(super) fn line(id: &str, values: &[u64]) -> Markup {
    let total: u64 = values.iter().sum();
    let most = values.iter().copied().max().unwrap_or(0);
    let (width, hours) = (values.len() * STEP, values.len() / 2);
    let (title, description) = (format!("{id}-title"), format!("{id}-text"));
    html! {
        figure.spark {
            svg #(id) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-labelledby={ (title) " " (description) } {
                title #(title) { "Messages fetched in each half hour of the last " (hours) " hours" }
                desc #(description) { (count(total, "message")) " in all, at most " (number(most)) " in half an hour." }
                @for (at, value) in values.iter().enumerate() { (bar(at, *value, most)) }
            }
            figcaption { (number(total)) " in " (hours) " h" }
        }
    }
}

/// A half hour without mail is a dot on the line, one with some is seen whatever the others have.
fn bar(at: usize, value: u64, most: u64) -> Markup {
    let height = if value == 0 { 1 } else { (value * HEIGHT).div_ceil(most.max(1)).max(3) };
    html! { rect.none[value == 0] x=(at * STEP) y=(HEIGHT - height) width=(STEP - 1) height=(height) {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_graphic() {
        let html = line("s", &[0, 1, 50, 100]).into_string();
        let bars: Vec<&str> = html.matches("<rect").collect();
        assert_eq!(bars.len(), 4);
        for piece in [
            "viewBox=\"0 0 20 28\"",
            "class=\"none\" x=\"0\" y=\"27\" width=\"4\" height=\"1\"",
            "x=\"5\" y=\"25\" width=\"4\" height=\"3\"",
            "x=\"10\" y=\"14\" width=\"4\" height=\"14\"",
            "x=\"15\" y=\"0\" width=\"4\" height=\"28\"",
            "<desc id=\"s-text\">151 messages in all, at most 100 in half an hour.</desc>",
        ] {
            assert!(html.contains(piece), "{piece}: {html}");
        }
        assert_eq!(html.matches("</rect>").count(), 4, "else each bar would stand within the one before");
        assert!(line("s", &[0, 0]).into_string().contains("0 messages in all"));
    }
}
