<?php
// What an SMTP plugin for WordPress does: point its PHPMailer at the relay.
add_action('phpmailer_init', function ($mail) {
    $mail->isSMTP();
    $mail->Host = 'localhost';
    $mail->Port = (int) getenv('RELAY_PORT');
    $mail->SMTPSecure = 'tls';
    $mail->SMTPOptions = ['ssl' => ['cafile' => getenv('RELAY_CA')]];
    $mail->SMTPAuth = true;
    $mail->Username = getenv('RELAY_KEY_ID');
    $mail->Password = getenv('RELAY_KEY');
});
add_filter('wp_mail_from', fn() => 'wordpress@example.org');
add_action('wp_mail_failed', fn($error) => error_log('wp_mail: ' . $error->get_error_message()));
