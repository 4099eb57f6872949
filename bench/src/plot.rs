//! Draws ratios as bars in an SVG picture.

use std::fmt::Write;

use crate::measure::Ratio;

/// Sizes in pixels: a bar with its gap, the bar itself, the names on the left, a ratio of 1, the head.
const STEP: usize = 18;
const BAR: usize = 12;
const NAMES: usize = 420;
const ONE: f64 = 120.0;
const HEAD: usize = 46;
/// Largest ratio that is drawn; larger ratios get a bar of this length.
const MOST: f64 = 5.0;
/// Colours of bars, by the server of the comparison.
const COLOURS: [(&str, &str); 3] = [
    ("vfio_user", "#2b6cb0"),
    ("libvfio-user", "#2f855a"),
    ("bare", "#b7791f"),
];

/// Draws the ratios of the measured server to other servers in the same row.
pub(crate) fn svg(ratios: &[Ratio]) -> String {
    let colour = |ratio: &Ratio| {
        let known = COLOURS.iter().find(|(name, _)| *name == ratio.against);
        known.map(|(_, colour)| *colour)
    };
    let bars: Vec<(&Ratio, &str)> = ratios
        .iter()
        .filter_map(|ratio| Some((ratio, colour(ratio)?)))
        .collect();
    let width = NAMES + (ONE * MOST) as usize + 60;
    let height = HEAD + STEP * bars.len() + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">Operations a second, divided by those of another server \
         (longer is faster)</text>\n"
    );
    let mut put = |line: std::fmt::Arguments<'_>| {
        // Writing into memory does not fail.
        let _ = writeln!(svg, "{line}");
    };
    for (at, (name, colour)) in COLOURS.iter().enumerate() {
        let x = NAMES + at * 130;
        put(format_args!(
            "<rect x=\"{x}\" y=\"24\" width=\"{BAR}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        ));
        put(format_args!(
            "<text x=\"{}\" y=\"34\">by {name}</text>",
            x + BAR + 4
        ));
    }
    for (at, (ratio, colour)) in bars.iter().enumerate() {
        let y = HEAD + at * STEP;
        let length = ratio.ratio.clamp(0.0, MOST) * ONE;
        let name = escaped(&format!("{}: {}", ratio.row, ratio.of));
        put(format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>",
            NAMES - 6,
            y + 10
        ));
        put(format_args!(
            "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        ));
        put(format_args!(
            "<text x=\"{:.1}\" y=\"{}\">{:.2}</text>",
            NAMES as f64 + length + 4.0,
            y + 10,
            ratio.ratio
        ));
    }
    let one = NAMES as f64 + ONE;
    put(format_args!(
        "<line x1=\"{one}\" y1=\"{HEAD}\" x2=\"{one}\" y2=\"{height}\" stroke=\"black\" stroke-dasharray=\"3\"/>"
    ));
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_ratio_says() {
        let ratio = |against, ratio| Ratio {
            row: "a <row>".to_owned(),
            of: "ours",
            against,
            ratio,
            cost: 0.0,
            target: None,
            met: None,
        };
        let svg = svg(&[
            ratio("bare", 0.5),
            ratio("alone", 1.0),
            ratio("vfio_user", 90.0),
        ]);
        assert!(
            svg.contains("width=\"60.0\"") && svg.contains("width=\"600.0\""),
            "{svg}"
        );
        assert!(
            svg.contains("a &lt;row&gt;: ours") && !svg.contains("1.00"),
            "{svg}"
        );
        assert_eq!(svg.matches("<rect").count(), 1 + 3 + 2);
        assert!(svg.ends_with("</svg>\n"));
    }
}
