from sandbox.modelserver import page


def test_the_page_is_what_the_table_says() -> None:
    assert page.pages() == {page.PAGE: page.PAGE.read_text()}
