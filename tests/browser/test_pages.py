"""The way pages are opened, itself."""

import pytest
from playwright.async_api import expect

from tests.browser.pages import opened, served


async def test_a_page_is_opened_with_its_query() -> None:
    async with served() as origin, opened(origin, "page", stream="/nothing") as page:
        await expect(page).to_have_url(f"{origin}/page.html?stream=%2Fnothing")


async def test_what_a_page_throws_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="on purpose"):
        await _throwing()


async def _throwing() -> None:
    async with (
        served() as origin,
        opened(origin, "page", stream="/nothing") as page,
        page.expect_event("pageerror"),
    ):
        await page.evaluate("setTimeout(() => { throw new Error('on purpose') })")
