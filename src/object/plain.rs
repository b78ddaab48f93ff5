/// Names and texts of other people, on one line, without what a terminal would obey and without what turns the direction of
/// reading: such characters are written as escapes. Which ones do is in Unicode's annex 9 (directional formatting characters).
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_of_a_name_gets_at_the_terminal() {
        assert_eq!(plain("a\n\u{1b}[2J\u{9b}b\u{202e}c"), "a\\n\\u{1b}[2J\\u{9b}b\\u{202e}c");
        let (name, said) = ("Ködnitz 東京 👩\u{200d}🚀", "${params.word} | <b>");
        assert_eq!((plain(name).as_str(), plain(said).as_str()), (name, said));
    }
}
