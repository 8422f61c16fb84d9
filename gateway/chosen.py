"""Which engines the settings choose; apart from the rest so that a worker imports no server."""

from gateway.settings import Settings
from media.engines.base import EngineSettings


def engine_settings(settings: Settings) -> EngineSettings:
    """Return what the engines need of the settings."""
    return EngineSettings(
        recognizers=settings.recognizers,
        translators=settings.translators,
        synthesizers=settings.synthesizers,
        openai_base_url=settings.openai_base_url,
        openai_api_key=settings.openai_api_key.get_secret_value(),
        openai_transcription_model=settings.openai_transcription_model,
        openai_translation_model=settings.openai_translation_model,
        openai_speech_model=settings.openai_speech_model,
        openai_voice=settings.openai_speech_voice,
        timeout_seconds=settings.engine_timeout_seconds,
    )
