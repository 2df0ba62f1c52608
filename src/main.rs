//! tmp
fn main() {
    for line in std::io::stdin().lines() {
        let l = line.unwrap();
        println!("{}", sidegate::simulate::judge_line(&l).0);
    }
}
