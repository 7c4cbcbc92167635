use proptest::prelude::*;

use super::*;

/// A screen, and all that was told of it.
struct FoldedScreen {
    fold: Fold,
    now: Instant,
    told: String,
}

impl FoldedScreen {
    fn new() -> Self {
        Self { fold: Fold::default(), now: Instant::now(), told: String::new() }
    }

    fn add(&mut self, told: Option<FoldedLines>) -> bool {
        let Some(told) = told else { return false };
        assert_eq!(told.lines.last(), Some(&b'\n'));
        self.told.push_str(std::str::from_utf8(&told.lines).unwrap());
        told.is_unfinished
    }

    fn write(&mut self, text: &str) -> &mut Self {
        let told = self.fold.write(text.as_bytes(), self.now);
        self.add(told);
        self
    }

    /// Lets time pass, and returns whether what was told has no end yet.
    fn wait(&mut self, milliseconds: u64) -> bool {
        self.now += Duration::from_millis(milliseconds);
        let told = self.fold.settle(self.now);
        self.add(told)
    }

    fn end(&mut self) -> String {
        let told = self.fold.end();
        self.add(told);
        std::mem::take(&mut self.told)
    }
}

fn shown(text: &str) -> String {
    FoldedScreen::new().write(text).end()
}

#[test]
fn lines_are_told_as_they_end() {
    let mut screen = FoldedScreen::new();
    screen.write("one\n\x1b[32mtwo\x1b[39m\r\nthr");
    assert_eq!(screen.told, "one\n\x1b[0;32mtwo\x1b[0m\n");
    assert_eq!(screen.write("ee\n\tx\n\n\n\nfour").end(), "one\n\x1b[0;32mtwo\x1b[0m\nthree\n\tx\n\nfour\n");
}

#[test]
fn what_was_written_over_is_gone() {
    assert_eq!(shown("10 %\r20 %\r100 %\n"), "100 %\n");
    assert_eq!(shown("a longer line\rshort\x1b[K\ntypo\x08\x08pe\nabc\x1b[2Dx\n"), "short\ntype\naxc\n");
    assert_eq!(shown("[    ]\x1b[5D##\x1b[1G>\x1b[3C=\n"), ">## =]\n");
    assert_eq!(shown("日本語\x1b[2Dx\n"), "日本x\n");
}

#[test]
fn a_progress_bar_is_one_line() {
    let mut screen = FoldedScreen::new();
    for percent in 0..=100 {
        screen.write(&format!("\r\x1b[2K{percent} %"));
        screen.wait(80);
    }
    assert_eq!(screen.write("\ndone\n").end(), "100 %\ndone\n");
}

#[test]
fn an_animation_of_several_lines_is_told_when_it_stands() {
    let mut screen = FoldedScreen::new();
    screen.write("\x1b[?25l");
    for frame in 0..50 {
        let bar = ["-", "/", "|", "\\"][frame % 4];
        screen.write(&format!("{bar} build {frame}\n{bar} test {frame}\nstands\n"));
        screen.wait(80);
        screen.write("\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[G");
    }
    screen.write("✔ build\n✔ test\nstands\n\x1b[?25hbye\n");
    assert_eq!(screen.end(), "stands\n✔ build\n✔ test\nbye\n");
}

#[test]
fn an_animation_with_a_cursor_is_told_at_its_beginning_and_its_end() {
    let mut screen = FoldedScreen::new();
    screen.write("0 of 50\n");
    for frame in 1..=50 {
        screen.write(&format!("\x1b[1A\x1b[2K{frame} of 50\n"));
        screen.wait(80);
    }
    assert_eq!(screen.end(), "0 of 50\n50 of 50\n");
}

#[test]
fn what_stands_without_an_end_is_told() {
    let mut screen = FoldedScreen::new();
    screen.write("\x1b[36m?\x1b[39m Name ");
    assert!(!screen.wait(400));
    assert_eq!(screen.told, "");
    assert!(screen.wait(100));
    assert_eq!(screen.told, "\x1b[0;36m?\x1b[0m Name\n");
    // The rest of the line says it whole.
    assert_eq!(
        screen.write("shop\nnext\n").end(),
        "\x1b[0;36m?\x1b[0m Name\n\x1b[0;36m?\x1b[0m Name shop\nnext\n"
    );
    // Half a secret is kept back.
    let mut screen = FoldedScreen::new();
    screen.write("Authorization: Bearer abc");
    assert!(!screen.wait(600));
    assert_eq!(screen.told, "");
}

#[test]
fn an_empty_line_above_an_animation_stays() {
    let mut screen = FoldedScreen::new();
    screen.write("\x1b[?25lone\n\ntwo\n\n\n");
    screen.wait(500);
    assert_eq!(screen.write("\x1b[?25hend\n").end(), "one\n\ntwo\n\nend\n");
}

#[test]
fn a_question_with_its_answers_is_told_as_one() {
    let mut screen = FoldedScreen::new();
    screen.write("\x1b[?25l? Pick\r\n> a\r\n  b\r\n");
    assert!(screen.wait(500));
    screen.write("\x1b[3A\x1b[0J\u{2714} Pick a\r\n");
    assert!(!screen.wait(500));
    assert_eq!(screen.end(), "? Pick\n> a\n  b\n\u{2714} Pick a\n");
}

#[test]
fn what_is_drawn_on_a_cleared_screen_is_new() {
    for clear in ["\x1bc", "\x1b[2J\x1b[3J\x1b[H", "\n\n\x1b[1;1H\x1b[0J"] {
        let text = format!("built\n{clear}built\n");
        assert_eq!(shown(&text).replace("\n\n", "\n"), "built\nbuilt\n", "{clear:?}");
    }
}

#[test]
fn a_program_with_the_whole_screen_tells_each_line_once() {
    let mut screen = FoldedScreen::new();
    screen.write("before\n\x1b[?1049h\x1b[?25l");
    for top in 0..5 {
        screen.write("\x1b[2J\x1b[H");
        for line in top..top + 5 {
            screen.write(&format!("line {line}\r\n"));
        }
        screen.wait(600);
    }
    screen.write("\x1b[?1049l\x1b[?25hafter\n");
    let told = screen.end();
    assert_eq!(
        told,
        "before\nline 0\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nafter\n"
    );
}

#[test]
fn a_long_line_is_one_and_takes_its_lines_of_the_screen() {
    let long = "x".repeat(WIDTH * 2 + 10);
    assert_eq!(shown(&format!("{long}\nend\n")), format!("{long}\nend\n"));
    // Three up leads to its first part.
    let text = format!("{long}\n\x1b[3A\x1b[2Knew\x1b[3B\n");
    assert!(shown(&text).contains(&format!("new{}{}\n", " ".repeat(WIDTH - 3), "x".repeat(WIDTH + 10))));
}

#[test]
fn a_program_that_asks_the_terminal_is_answered() {
    let mut screen = FoldedScreen::new();
    screen.write("ab\ncd\x1b[6n\x1b[c");
    assert_eq!(screen.fold.take_replies(), b"\x1b[2;3R\x1b[?62;22c");
    screen.write(&"\x1b[6n".repeat(1000));
    assert!(screen.fold.take_replies().len() < 100);
}

#[test]
fn characters_may_come_in_parts() {
    let mut screen = FoldedScreen::new();
    for byte in "é ✔\n".bytes() {
        let told = screen.fold.write(&[byte], screen.now);
        screen.add(told);
    }
    let told = screen.fold.write(b"\xff!\n\xe2\x9c", screen.now);
    screen.add(told);
    assert_eq!(screen.end(), "é ✔\n\u{FFFD}!\n\u{FFFD}\n");
}

proptest! {
    #[test]
    fn nothing_makes_it_fail_or_grow(
        pieces in prop::collection::vec("(\\PC{0,9}|\x1b\\[\\??[0-9;]{0,5}[@-~]|\x1b[78cDEM]|[\n\r\t\x08]){0,12}", 0..12),
        wait in 0u64..700,
    ) {
        let mut screen = FoldedScreen::new();
        for piece in &pieces {
            screen.write(piece);
            screen.wait(wait);
            prop_assert!(screen.fold.rows.len() <= HEIGHT + 1);
            prop_assert!(screen.fold.cursor.row < screen.fold.rows.len());
        }
        screen.end();
    }

    #[test]
    fn the_pieces_do_not_matter_to_plain_lines(text in "[a-cé\n]{0,80}", cut in 0usize..80) {
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let whole = shown(&text);
        prop_assert_eq!(FoldedScreen::new().write(&text[..cut]).write(&text[cut..]).end(), whole);
    }
}
